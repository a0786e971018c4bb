//! Checkpoints in the object store: an instance with nothing of its own is warm without the first facts; and what
//! nobody needs any more is dropped.

use super::{holds, instance};
use crate::e2e::brokers::{runtime, until};
use crate::e2e::harness::{Pentamer, low_igm, panel, wait_for};
use crate::e2e::receivers::broker::Nats;
use crate::e2e::receivers::http::HttpReceiver;
use async_nats::jetstream;
use futures_util::StreamExt as _;

const SMALL: &str = "checkpoint_after = \"1 MiB\"\nretention_size = \"4 MiB\"";

/// A message of 64 KiB; one in fifty is of a patient to be told of.
fn bulky(id: usize) -> String {
    let igm = if id.is_multiple_of(50) { "0.21" } else { "1.1" };
    let id = id.to_string();
    let message = panel(&id, &id, igm, "11.0", "2.0");
    format!("{message}NTE|1||{}\r", "x".repeat(64 << 10))
}

async fn context(url: &str) -> Result<jetstream::Context, String> {
    let client = async_nats::connect(url).await;
    Ok(jetstream::new(client.map_err(|error| error.to_string())?))
}

/// Names of the checkpoints in the store.
async fn stored(url: &str) -> Result<Vec<u64>, String> {
    let store = context(url)
        .await?
        .get_object_store("PENTAMER_site_CHECKPOINTS")
        .await;
    let store = store.map_err(|error| error.to_string())?;
    let mut list = store.list().await.map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    while let Some(one) = list.next().await {
        let one = one.map_err(|error| error.to_string())?;
        found.push(one.name.parse().map_err(|_| one.name)?);
    }
    found.sort_unstable();
    Ok(found)
}

/// The first fact that is kept.
async fn begins(url: &str) -> Result<u64, String> {
    let stream = context(url).await?.get_stream("PENTAMER_site").await;
    let stream = stream.map_err(|error| error.to_string())?;
    Ok(stream.cached_info().state.first_sequence)
}

#[test]
fn a_new_instance_begins_with_the_deciding_ones_checkpoint() {
    let nats = Nats::start();
    let url = nats.url();
    let hook = HttpReceiver::start();
    let first = Pentamer::start(instance(&url, "a", &hook, 1).with_storage(SMALL));
    wait_for("a to hold", || holds(&first).then_some(()));
    let mut sender = first.connect();
    for n in 0..150 {
        assert_eq!(sender.exchange(&bulky(n)), "AA");
    }
    let runtime = runtime();
    // Behind both checkpoints of who is there, what is more than may be kept is dropped.
    let begins = wait_for("old facts to go", || {
        let begins = runtime.block_on(begins(&url)).ok()?;
        (begins > 1).then_some(begins)
    });
    first.settle();
    let kept = until(&runtime, "two checkpoints", async || {
        let kept = stored(&url).await?;
        (kept.len() == 2)
            .then_some(kept)
            .ok_or_else(|| "fewer".to_owned())
    });
    assert!(begins <= kept[0] + 1, "{begins} {kept:?}");

    let pages = super::pages(&hook).len();
    assert!(pages >= 3);

    let second = Pentamer::start(instance(&url, "b", &hook, 1).with_storage(SMALL));
    assert!(second.home.log().contains("checkpoint_fetched"));
    second.settle();
    let all = |daemon: &Pentamer| daemon.get("/api/v1/worklist?limit=200").1;
    assert_eq!(all(&second), all(&first));
    // It has all it needs: the first one is not missed, and copies are known.
    first.kill();
    wait_for("b to hold", || holds(&second).then_some(()));
    assert_eq!(second.connect().exchange(&bulky(0)), "AA");
    assert_eq!(second.connect().exchange(&low_igm("new", "new")), "AA");
    wait_for("its page", || {
        (super::pages(&hook).len() == pages + 1).then_some(())
    });
    second.settle();
    assert_eq!(super::pages(&hook).len(), pages + 1);
}
