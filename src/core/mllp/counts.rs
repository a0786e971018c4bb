//! How often each leniency of the frame machine was needed.

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Counters of the frame machine, named as in WIRE.md.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct FrameCounts {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl FrameCounts {
            /// Nothing counted.
            pub const NONE: Self = Self { $($name: 0,)* };

            /// Adds those of another.
            pub const fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
            }

            /// Those that are not zero, by name.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)*]
                    .into_iter()
                    .filter(|(_, times)| *times > 0)
            }
        }
    };
}

counts! {
    /// Bytes between frames that are dropped in silence (F-11).
    interframe_padding,
    /// Other bytes between frames (F-12).
    junk_bytes,
    /// Connections given up for junk (F-12).
    junk_closed,
    /// Frames that ended without `<CR>` (F-16, F-18).
    fs_without_cr,
    /// Frames that ended with `<FS><LF>` (F-17).
    fs_lf,
    /// `<FS>` that was data (F-20).
    fs_in_body,
    /// Frames broken off by the begin of another (F-21).
    resync,
    /// `<VT>` that was data (F-22).
    vt_in_body,
    /// Frames with nothing in them (F-33).
    empty_frames,
    /// Messages sent without a frame (F-44).
    unframed_msh,
    /// Commit blocks of MLLP release 2 (F-73).
    mllp2_block_on_mllp1,
}
