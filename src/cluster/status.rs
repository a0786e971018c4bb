//! The instances of a site, as the bucket knows them: for `pentamer cluster status` and `drain`, and for the pages.

use super::bucket::{
    PRESENCE, Plan, Presence, Term, drain_key, keys, lease_key, plan_key, presence_key, read, write,
};
use super::link::{Link, LinkError};
use crate::clock;
use crate::core::time::Timestamp;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

/// An instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Instance {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// It decides and delivers.
    pub holds: bool,
    /// It is to take nothing.
    pub drained: bool,
    /// Facts up to here stand behind both checkpoints that it keeps: it does not need them any more.
    pub floor: u64,
    /// The last message of the stream that it knows.
    pub reached: u64,
    /// When it last said so, by its own clock.
    #[serde(serialize_with = "rfc3339")]
    pub at: Timestamp,
    /// It has been silent for long.
    pub silent: bool,
}

/// A site's instances and its stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Overview {
    /// The stream.
    pub stream: String,
    /// Its first message.
    pub first: u64,
    /// Its last message.
    pub last: u64,
    /// Servers that keep each message.
    pub replicas: usize,
    /// The server that leads it, where there are several.
    pub leader: Option<String>,
    /// Servers that lag behind it or are away.
    pub behind: Vec<String>,
    /// Who decides.
    pub holder: Option<String>,
    /// In this epoch.
    pub epoch: u64,
    /// All that were ever there.
    pub instances: Vec<Instance>,
}

impl Instance {
    fn new(name: String, presence: Presence) -> Self {
        let silent = clock::now().since(presence.at).as_micros().saturating_abs() > SILENT;
        Self {
            name,
            version: presence.version,
            holds: presence.holds,
            drained: presence.drained,
            floor: presence.floor,
            reached: presence.reached,
            at: presence.at,
            silent,
        }
    }

    /// What it does, in a word or two, where this one has the lease.
    pub fn does(&self, holder: Option<&str>) -> &'static str {
        // What it said of itself may be older than who has the lease.
        match (self.silent, self.drained, holder == Some(&self.name)) {
            (true, ..) => "silent",
            (_, true, _) => "drained",
            (_, _, true) => "decides",
            _ => "stands by",
        }
    }
}

/// One of the sites that share the servers' account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Site {
    /// Its stream.
    pub stream: String,
    /// Who decides.
    pub holder: Option<String>,
    /// Who should, where the right is spread over instances.
    pub planned: Option<String>,
    /// The epoch.
    pub epoch: u64,
    /// All that were ever there.
    pub instances: Vec<Instance>,
}

impl Overview {
    /// What an instance does, in a word or two.
    pub fn does(&self, one: &Instance) -> &'static str {
        one.does(self.holder.as_deref())
    }

    /// By how many facts an instance is behind the stream's end.
    pub const fn behind_by(&self, one: &Instance) -> u64 {
        self.last.saturating_sub(one.reached)
    }
}

fn rfc3339<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&at.to_rfc3339())
}

/// What came of asking.
pub type Overviewed = Result<Overview, LinkError>;

/// Silent for longer than this is away.
const SILENT: i64 = 30_000_000;

/// Asks JetStream for a site's instances.
///
/// # Errors
/// Where it does not answer.
pub async fn overview(link: &Link) -> Overviewed {
    let info = link.stream.get_info().await.map_err(LinkError::away)?;
    let term = read::<Term>(link, &lease_key(&link.name)).await?;
    let term = term.map(|(_, term)| term);
    let mut instances = Vec::new();
    for name in keys(link, &presence_key(&link.name, "")).await? {
        let key = presence_key(&link.name, &name);
        let presence = read::<Presence>(link, &key).await?;
        instances.extend(presence.map(|(_, presence)| Instance::new(name, presence)));
    }
    instances.sort_by(|a, b| a.name.cmp(&b.name));
    let cluster = info.cluster.as_ref();
    let behind = cluster.map(|cluster| {
        let late = cluster.replicas.iter();
        let late = late.filter(|replica| !replica.current || replica.offline);
        late.map(|replica| replica.name.clone()).collect()
    });
    Ok(Overview {
        stream: link.name.clone(),
        first: info.state.first_sequence,
        last: info.state.last_sequence,
        replicas: info.config.num_replicas,
        leader: cluster.and_then(|cluster| cluster.leader.clone()),
        behind: behind.unwrap_or_default(),
        holder: term.as_ref().and_then(Term::name),
        epoch: term.map_or(0, |term| term.epoch),
        instances,
    })
}

/// Asks for all sites of the account.
///
/// # Errors
/// Where JetStream does not answer.
pub async fn sites(link: &Link) -> Result<Vec<Site>, LinkError> {
    let mut sites: BTreeMap<String, Vec<Instance>> = BTreeMap::new();
    for key in keys(link, PRESENCE).await? {
        let presence = read::<Presence>(link, &format!("{PRESENCE}{key}")).await?;
        if let (Some((stream, name)), Some((_, presence))) = (key.split_once('.'), presence) {
            let instances = sites.entry(stream.to_owned()).or_default();
            instances.push(Instance::new(name.to_owned(), presence));
        }
    }
    let mut found = Vec::new();
    for (stream, mut instances) in sites {
        instances.sort_by(|a, b| a.name.cmp(&b.name));
        let term = read::<Term>(link, &lease_key(&stream)).await?;
        let term = term.map(|(_, term)| term);
        let plan = read::<Plan>(link, &plan_key(&stream)).await?;
        found.push(Site {
            stream,
            holder: term.as_ref().and_then(Term::name),
            planned: plan.map(|(_, plan)| plan.instance),
            epoch: term.map_or(0, |term| term.epoch),
            instances,
        });
    }
    Ok(found)
}

/// Tells an instance to take nothing of any site, or to take part again. How many sites it is there for.
///
/// # Errors
/// Where JetStream does not answer.
pub async fn drain_everywhere(
    link: &Link,
    instance: &str,
    drained: bool,
) -> Result<usize, LinkError> {
    let mut times = 0;
    for key in keys(link, PRESENCE).await? {
        if let Some((stream, name)) = key.split_once('.')
            && name == instance
        {
            write(link, &drain_key(stream, name), &drained, None).await?;
            times += 1;
        }
    }
    Ok(times)
}

/// Tells an instance to take nothing, or to take part again.
///
/// # Errors
/// Where JetStream does not answer.
pub async fn drain(link: &Link, instance: &str, drained: bool) -> Result<(), LinkError> {
    let key = drain_key(&link.name, instance);
    write(link, &key, &drained, None).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_was_killed_decides_no_more_and_falls_silent() {
        let named = |name: &str, holds| Instance {
            name: name.to_owned(),
            version: "1".to_owned(),
            holds,
            drained: false,
            floor: 0,
            reached: 7,
            at: Timestamp::from_micros(0),
            silent: false,
        };
        let found = Overview {
            stream: "PENTAMER_a".to_owned(),
            first: 1,
            last: 9,
            replicas: 3,
            leader: None,
            behind: Vec::new(),
            holder: Some("b".to_owned()),
            epoch: 2,
            instances: Vec::new(),
        };
        let killed = named("a", true);
        assert_eq!(found.does(&killed), "stands by");
        assert_eq!(found.does(&named("b", false)), "decides");
        let silent = Instance {
            silent: true,
            ..killed.clone()
        };
        assert_eq!(found.does(&silent), "silent");
        let drained = Instance {
            drained: true,
            ..killed
        };
        assert_eq!(found.does(&drained), "drained");
        assert_eq!(found.behind_by(&drained), 2);
    }
}
