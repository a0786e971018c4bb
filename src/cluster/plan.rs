//! Many sites on the same instances: who should decide about which.
//!
//! One instance of all, the one that keeps the key `planner` up to date, looks at who is there and writes for each
//! site who should have its right to decide ([`spread`]). That is advice: whoever has the right gives it to the one
//! who should, and what protects it is what protects it anyway. While nobody plans, everything stays as it is.

use super::bucket::{PLANNER, PRESENCE, Plan, Presence, keys, plan_key, read, write};
use super::link::{Link, LinkError};
use crate::clock;
use crate::core::spread::{Weighed, spread};
use futures_util::{StreamExt as _, stream};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Silent for so many terms is away.
const SILENT: u32 = 4;
/// Keys read at a time.
const AT_ONCE: usize = 32;

/// One who plans if nobody else does.
pub(super) struct Planner {
    pub link: Arc<Link>,
    /// This start of this instance of this site.
    pub name: String,
    pub term: Duration,
    pub stop: CancellationToken,
}

/// What stands under a key, and since when it has not changed, by our own clock.
struct Watched<T> {
    revision: u64,
    since: Instant,
    value: T,
}

/// What the one who plans knows.
struct Known {
    begun: Instant,
    /// By site and instance.
    present: BTreeMap<(String, String), Watched<Presence>>,
    plans: BTreeMap<String, String>,
}

impl Planner {
    pub(super) async fn run(self) {
        let mut planner: Option<Watched<Plan>> = None;
        let mut known: Option<Known> = None;
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(self.term) => {}
            }
            match self.may_plan(&mut planner).await {
                Ok(true) => {}
                Ok(false) | Err(_) => {
                    known = None;
                    continue;
                }
            }
            let known = known.get_or_insert_with(|| Known {
                begun: clock::monotonic(),
                present: BTreeMap::new(),
                plans: BTreeMap::new(),
            });
            // What did not succeed is tried again the next time.
            if self.look(known).await.is_ok() && known.begun.elapsed() > self.term * SILENT {
                let _ = self.write(known).await;
            }
        }
    }

    /// Keeps the key up to date, or takes it where nobody does.
    async fn may_plan(&self, seen: &mut Option<Watched<Plan>>) -> Result<bool, LinkError> {
        let found = read::<Plan>(&self.link, PLANNER).await?;
        let (revision, value) = found.map_or((0, None), |(revision, plan)| (revision, Some(plan)));
        let is_ours = value
            .as_ref()
            .is_some_and(|plan| plan.instance == self.name);
        if let Some(value) = value
            && !is_ours
        {
            note(seen, revision, value);
            let is_kept = seen
                .as_ref()
                .is_some_and(|seen| seen.since.elapsed() < self.term * SILENT);
            if is_kept {
                return Ok(false);
            }
        }
        let ours = Plan {
            instance: self.name.clone(),
            at: clock::now(),
        };
        match write(&self.link, PLANNER, &ours, Some(revision)).await {
            Ok(_) => Ok(is_ours),
            Err(LinkError::Overtaken) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn look(&self, known: &mut Known) -> Result<(), LinkError> {
        let keys = keys(&self.link, PRESENCE).await?;
        let read = stream::iter(keys).map(|key| async move {
            let whole = format!("{PRESENCE}{key}");
            Ok::<_, LinkError>((key, read::<Presence>(&self.link, &whole).await?))
        });
        let mut read = std::pin::pin!(read.buffer_unordered(AT_ONCE));
        while let Some(one) = read.next().await {
            let (key, found) = one?;
            let (Some((site, instance)), Some((revision, presence))) = (key.split_once('.'), found)
            else {
                continue;
            };
            let at = (site.to_owned(), instance.to_owned());
            let mut seen = known.present.remove(&at);
            note(&mut seen, revision, presence);
            known.present.extend(seen.map(|seen| (at, seen)));
        }
        Ok(())
    }

    /// Writes down who should have which site, where that is news.
    async fn write(&self, known: &mut Known) -> Result<(), LinkError> {
        let alive = known
            .present
            .iter()
            .filter(|(_, seen)| seen.since.elapsed() < self.term * SILENT);
        for (site, instance) in planned(alive.map(|(at, seen)| (at, &seen.value))) {
            if known.plans.get(&site) == Some(&instance) {
                continue;
            }
            let key = plan_key(&site);
            let found = read::<Plan>(&self.link, &key).await?;
            if found.is_none_or(|(_, plan)| plan.instance != instance) {
                let plan = Plan {
                    instance: instance.clone(),
                    at: clock::now(),
                };
                write(&self.link, &key, &plan, None).await?;
            }
            known.plans.insert(site, instance);
        }
        Ok(())
    }
}

fn note<T>(seen: &mut Option<Watched<T>>, revision: u64, value: T) {
    match seen {
        Some(seen) if seen.revision == revision => {}
        _ => {
            *seen = Some(Watched {
                revision,
                since: clock::monotonic(),
                value,
            });
        }
    }
}

/// Who should decide about each site, of those who are there, take part, and know all of it.
fn planned<'a>(
    present: impl Iterator<Item = (&'a (String, String), &'a Presence)>,
) -> BTreeMap<String, String> {
    let mut sites: BTreeMap<&str, Weighed> = BTreeMap::new();
    let mut instances = BTreeSet::new();
    for ((site, instance), presence) in present {
        let Some(weight) = presence.weight else {
            continue;
        };
        // The one who has it may lag for a moment, and keeps it.
        if presence.drained || !(presence.current || presence.holds) {
            continue;
        }
        instances.insert(instance.clone());
        let weighed = sites.entry(site).or_insert_with(|| Weighed {
            site: site.clone(),
            weight,
            among: BTreeSet::new(),
        });
        weighed.weight = weighed.weight.max(weight);
        weighed.among.insert(instance.clone());
    }
    let sites: Vec<Weighed> = sites.into_values().collect();
    spread(&sites, &instances)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn present(
        site: &str,
        instance: &str,
        change: impl Fn(&mut Presence),
    ) -> ((String, String), Presence) {
        let mut presence = Presence {
            stream: site.to_owned(),
            version: String::new(),
            reached: 0,
            floor: 0,
            holds: false,
            drained: false,
            current: true,
            weight: Some(1),
            at: crate::core::time::Timestamp::from_micros(0),
        };
        change(&mut presence);
        ((site.to_owned(), instance.to_owned()), presence)
    }

    fn plan(all: &[((String, String), Presence)]) -> BTreeMap<String, String> {
        planned(all.iter().map(|(at, presence)| (at, presence)))
    }

    #[test]
    fn who_is_drained_lags_or_takes_no_part_gets_nothing() {
        let faults: [fn(&mut Presence); 3] = [
            |one| one.drained = true,
            |one| one.current = false,
            |one| one.weight = None,
        ];
        for fault in faults {
            for name in ["a", "b"] {
                let all = ["a", "b"].map(|instance| {
                    present("s", instance, |one| {
                        if instance == name {
                            fault(one);
                        }
                    })
                });
                assert_ne!(plan(&all)["s"], name);
            }
        }
        assert!(plan(&[present("s", "a", |one| one.drained = true)]).is_empty());
        let lagging = present("s", "a", |one| {
            one.current = false;
            one.holds = true;
        });
        assert_eq!(plan(&[lagging])["s"], "a");
    }

    #[test]
    fn sites_are_spread_over_those_who_serve_them() {
        let all: Vec<_> = (0..12)
            .flat_map(|site| ["a", "b", "c"].map(|name| present(&format!("s{site}"), name, |_| ())))
            .collect();
        let placed = plan(&all);
        for name in ["a", "b", "c"] {
            let count = placed.values().filter(|one| *one == name).count();
            assert!((3..=5).contains(&count), "{name}: {count}");
        }
    }
}
