//! Checkpoints: blocks with right checksums and any contents. What is taken for whole loads or is refused,
//! and the state that it makes can be looked at.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use pentamer::cache::Memory;
use pentamer::core::fold::{STATE_VERSION, decide, views};
use pentamer::core::policy::Policy;
use pentamer::journal::{ModelDisk, inspect};
use std::path::Path;
use std::sync::{Arc, LazyLock};

static POLICY: LazyLock<Policy> = LazyLock::new(Policy::built_in);

#[derive(Debug, Arbitrary)]
enum Piece {
    Known(Vec<[u8; 8]>),
    Entries(Vec<(Vec<u8>, Vec<u8>)>),
    /// Any kind, contents and said length.
    Block {
        kind: u8,
        raw: Vec<u8>,
        said: Option<u16>,
    },
    Bytes(Vec<u8>),
}

#[derive(Debug, Arbitrary)]
struct Input {
    version: u8,
    state_version: Option<u8>,
    about: Option<Vec<u8>>,
    pieces: Vec<Piece>,
    end: Option<Vec<u8>>,
}

fn block(out: &mut Vec<u8>, number: &mut u32, tag: u32, kind: u8, raw: &[u8], said: Option<u16>) {
    let payload = zstd::bulk::compress(raw, 1).expect("compressed");
    let mut header = vec![0xF1, b'P', b'C', 0x9C, kind, 0, 0, 0];
    let said = said.map_or(raw.len() as u32, u32::from);
    for field in [
        *number,
        tag,
        said,
        payload.len() as u32,
        crc32c::crc32c(&payload),
    ] {
        header.extend_from_slice(&field.to_le_bytes());
    }
    let sum = crc32c::crc32c(&header);
    header.extend_from_slice(&sum.to_le_bytes());
    out.extend_from_slice(&header);
    out.extend_from_slice(&payload);
    *number += 1;
}

fuzz_target!(|input: Input| {
    let position = 5_u64;
    let mut out = b"PENTACKP".to_vec();
    out.extend_from_slice(&u32::from(input.version % 4).to_le_bytes());
    out.extend_from_slice(&[input.state_version.unwrap_or(STATE_VERSION), 0, 0, 0]);
    out.extend_from_slice(&position.to_le_bytes());
    out.resize(60, 0);
    let sum = crc32c::crc32c(&out);
    out.extend_from_slice(&sum.to_le_bytes());
    let tag = crc32c::crc32c(&out);
    let (mut number, mut known, mut entries) = (0, 0_usize, 0_usize);
    let about = input.about.unwrap_or_else(|| br#"{"policy":"p"}"#.to_vec());
    block(&mut out, &mut number, tag, 1, &about, None);
    for piece in &input.pieces {
        match piece {
            Piece::Known(all) => {
                let raw: Vec<u8> = all
                    .iter()
                    .flat_map(|one| one.iter().copied().cycle().take(41))
                    .collect();
                known += all.len();
                block(&mut out, &mut number, tag, 2, &raw, None);
            }
            Piece::Entries(all) => {
                let mut raw = Vec::new();
                for (key, value) in all {
                    raw.extend_from_slice(&(key.len() as u32).to_le_bytes());
                    raw.extend_from_slice(&(value.len() as u32).to_le_bytes());
                    raw.extend_from_slice(key);
                    raw.extend_from_slice(value);
                }
                entries += all.len();
                block(&mut out, &mut number, tag, 3, &raw, None);
            }
            Piece::Block { kind, raw, said } => {
                block(&mut out, &mut number, tag, kind % 6, raw, *said)
            }
            Piece::Bytes(bytes) => out.extend_from_slice(bytes),
        }
    }
    let end = input
        .end
        .unwrap_or_else(|| format!("{{\"known\":{known},\"entries\":{entries}}}").into_bytes());
    block(&mut out, &mut number, tag, 4, &end, None);
    let disk = ModelDisk::new();
    let path = format!("/data/checkpoints/{position:020}.ckpt");
    disk.replace(Path::new(&path), out);
    let Ok(found) = inspect(Arc::new(disk), Path::new("/data")) else {
        return;
    };
    for checkpoint in &found.checkpoints.good {
        let state = Memory::new();
        if checkpoint.load(&state, "p").is_ok() {
            // Entries that nobody wrote are refused or read, but nothing falls over.
            let _ = views::dump(&state);
            let _ = decide(&state, &POLICY);
        }
    }
});
