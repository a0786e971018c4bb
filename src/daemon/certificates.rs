//! Certificates while the daemon runs: new files are taken up, ends are told of.

use crate::clock;
use crate::listen::Certificates;
use crate::notice::{NoticeKind, Notices};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Between two looks at the files. A change is taken up when it stands still for this long.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How often an end that comes near is told of in the log.
const TELL_EVERY: Duration = Duration::from_secs(3_600);

/// Looks until the daemon ends.
pub(super) async fn watch(
    certificates: Arc<[Certificates]>,
    notices: Notices,
    stop: CancellationToken,
) {
    if !certificates.iter().any(Certificates::are_there) {
        return;
    }
    let mut told = None;
    loop {
        let now = clock::monotonic();
        let tell = told.is_none_or(|at| now.saturating_duration_since(at) >= TELL_EVERY);
        if tell {
            told = Some(now);
        }
        let all = Arc::clone(&certificates);
        // Files may lie on a disk that hangs.
        let looked = tokio::task::spawn_blocking(move || {
            all.iter().for_each(Certificates::take_up_changes);
            if tell {
                all.iter().for_each(Certificates::tell_ends);
            }
            all.iter()
                .flat_map(Certificates::troubles)
                .collect::<Vec<_>>()
        });
        tokio::select! {
            () = stop.cancelled() => return,
            troubles = looked => {
                let troubles = troubles.unwrap_or_default();
                let text = (!troubles.is_empty()).then(|| troubles.join("; "));
                notices.set(NoticeKind::Certificate, text);
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}
