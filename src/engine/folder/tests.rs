use super::*;
use crate::cache::Memory;
use crate::core::fact::Origin;
use crate::core::fold::views;
use crate::core::time::Span;
use crate::journal::Draft;
use crate::journal::{ModelDisk, Options, open};

/// A part whose rest does not come, received so long ago.
fn part(ago: Span) -> Draft {
    let raw = "MSH|^~\\&|LAB|HOSP|||20260101||ORU^R01|1|P|2.5.1\rPID|1||1\rDSC|more|F\r";
    Draft::from(Fact::Received(Received {
        origin: Origin {
            listener: "lab".to_owned(),
            peer: "192.0.2.1:4000".to_owned(),
        },
        received_at: clock::now().plus(Span::micros(-ago.as_micros())),
        part: (0, 1),
        raw: raw.into(),
    }))
}

/// WIRE A-54 on a line that has fallen silent: no message comes that would move the time on.
#[test]
fn a_part_is_given_up_after_a_day_though_nothing_else_comes() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap();
    let mut options = Options::new("/data", clock::now);
    options.reserve = 0;
    let (journal, _) = open(Arc::new(ModelDisk::new()), options).unwrap();
    let (appender, writer) = journal.start();
    appender
        .append_blocking(vec![part(Span::micros(86_400_000_000 - 50_000))])
        .unwrap();
    let state: Arc<dyn State> = Arc::new(Memory::new());
    let stop = CancellationToken::new();
    let settings = Settings {
        policies: watch::channel(Arc::new(Policy::built_in())).1,
        state_for: Arc::new(|_| Arc::new(Memory::new())),
        counted_through: JournalPosition::START,
        fresh_state: Arc::new(|_| Arc::new(Memory::new())),
        checkpointing: Checkpointing {
            after: u64::MAX,
            every: Duration::MAX,
        },
        on_damage: Arc::new(|_| {}),
        pulse: Pulse::new("fold"),
        told: None,
    };
    let (folder, mut progress) = Folder::new(
        appender.clone(),
        StateHandle::new(Arc::clone(&state)),
        settings,
        stop.clone(),
        runtime.handle().clone(),
    );
    let thread = std::thread::spawn(|| folder.run());
    // The part, the policy that is now in force, the deadline.
    let last = JournalPosition(3);
    runtime.block_on(async {
        let recorded = progress.wait_for(|progress| progress.folded >= last);
        let recorded = tokio::time::timeout(Duration::from_secs(30), recorded).await;
        recorded.expect("in time").expect("a fold");
    });
    let mut reader = appender.reader(JournalPosition(2)).unwrap();
    let recorded = reader.next(last).unwrap();
    assert!(matches!(recorded, Some((_, Fact::Deadline { .. }))));
    let quarantine = views::quarantine(state.as_ref(), JournalPosition::START, 9).unwrap();
    let reasons: Vec<_> = quarantine
        .iter()
        .map(|entry| entry.refusal.reason)
        .collect();
    assert_eq!(reasons, [Reason::Continuation]);
    assert_eq!(fold::next_deadline(state.as_ref()).unwrap(), None);
    stop.cancel();
    thread.join().unwrap();
    drop((reader, appender));
    writer.join();
}
