//! Three nodes, each with a `nats-server` and an instance in a network namespace of its own, of which one is cut off
//! again and again under traffic: the one that decides, the one that leads the stream, any.
//!
//! A node has two links: one to the other nodes, one to the receiver of pages. Its laboratories reach it always (they
//! are on its own side of the cut), so a node that is cut off goes on being sent to; where only the link to the other
//! nodes is cut, it could also go on paging. `just cluster-parted ROUNDS` runs as many rounds as one asks for; a few
//! are always run, where namespaces can be made.

use super::traffic::{Gate, RECOVERS, Traffic, check, one_holds};
use super::{holds, instance_that_tells};
use crate::e2e::harness::{Pentamer, wait_within};
use crate::e2e::netns::{Namespace, run};
use crate::e2e::receivers::broker::{NatsCluster, Place, later_nats_server, nats_version};
use crate::e2e::receivers::http::HttpReceiver;
use pentamer::cluster::FIT;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

const NODES: usize = 3;

/// A namespace and our ends of its links.
struct Node {
    space: Namespace,
    peers: String,
    world: String,
    /// Its address among the nodes.
    address: String,
    /// Ours, as it sees us.
    ours: String,
}

/// What is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cut {
    /// The link to the other nodes.
    Peers,
    /// That and the one to the receiver.
    All,
}

/// The nodes on a bridge; gone when dropped.
struct Network {
    nodes: Vec<Node>,
    bridge: String,
}

impl Network {
    fn make() -> Result<Self, String> {
        let id = std::process::id();
        let net = id % 250 + 1;
        let mut network = Self {
            nodes: Vec::new(),
            bridge: format!("pb{id}"),
        };
        let bridge = network.bridge.clone();
        run(&format!("ip link add {bridge} type bridge"))?;
        run(&format!("ip addr add 10.215.{net}.1/24 dev {bridge}"))?;
        run(&format!("ip link set {bridge} up"))?;
        for number in 0..NODES {
            let node = Node {
                space: Namespace::make(format!("pentamer{id}-{number}"))?,
                peers: format!("pp{id}-{number}"),
                world: format!("pw{id}-{number}"),
                address: format!("10.215.{net}.{}", 11 + number),
                ours: format!("10.216.{net}.{}", 4 * number + 1),
            };
            let name = &node.space.name;
            let theirs = format!("10.216.{net}.{}", 4 * number + 2);
            for (near, far, address) in [
                (&node.peers, "peers", format!("{}/24", node.address)),
                (&node.world, "world", format!("{theirs}/30")),
            ] {
                run(&format!(
                    "ip link add {near} type veth peer name {far} netns {name}"
                ))?;
                run(&format!("ip -n {name} addr add {address} dev {far}"))?;
                run(&format!("ip -n {name} link set {far} up"))?;
            }
            run(&format!("ip link set {} master {bridge}", node.peers))?;
            run(&format!("ip addr add {}/30 dev {}", node.ours, node.world))?;
            for near in [&node.peers, &node.world] {
                run(&format!("ip link set {near} up"))?;
            }
            network.nodes.push(node);
        }
        Ok(network)
    }

    fn places(&self) -> Vec<Place> {
        let place = |node: &Node| Place {
            namespace: Some(node.space.name.clone()),
            address: node.address.clone(),
            port: 4222,
            route: 6222,
        };
        self.nodes.iter().map(place).collect()
    }

    /// Takes a node's links down or up again: what is under way is lost, both ways.
    fn set(&self, node: usize, cut: Cut, to: &str) {
        let node = &self.nodes[node];
        let links: &[&String] = match cut {
            Cut::Peers => &[&node.peers],
            Cut::All => &[&node.peers, &node.world],
        };
        for link in links {
            run(&format!("ip link set {link} {to}")).expect("set");
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for node in &self.nodes {
            for link in [&node.peers, &node.world] {
                let _ = run(&format!("ip link del {link}"));
            }
        }
        let _ = run(&format!("ip link del {}", self.bridge));
    }
}

fn told(daemon: &Pentamer) -> Option<Value> {
    let (code, body) = daemon.get("/api/v1/cluster");
    serde_json::from_str(&body).ok().filter(|_| code == 200)
}

/// The number of the node whose server leads the stream.
fn leads(daemons: &[Pentamer]) -> usize {
    wait_within(RECOVERS, "a leader of the stream", || {
        daemons.iter().filter_map(told).find_map(|told| {
            let leader = told["overview"]["leader"].as_str()?.strip_prefix('n')?;
            leader.parse().ok()
        })
    })
}

/// All servers have all of the stream, as every instance is told.
fn healed(daemons: &[Pentamer]) {
    for daemon in daemons {
        wait_within(RECOVERS, "the servers to be together", || {
            let told = told(daemon)?;
            let together = told["answers"] == true
                && told["overview"]["leader"].is_string()
                && told["overview"]["behind"].as_array()?.is_empty();
            together.then_some(())
        });
    }
}

#[test]
fn parted_nothing_is_lost_or_decided_twice_and_all_end_as_one_calm_instance() {
    let network = match Network::make() {
        Ok(network) => network,
        Err(why) => return eprintln!("skipped: no networks of their own can be made here: {why}"),
    };
    let program = later_nats_server();
    let version = nats_version(&program);
    if version.as_slice() < FIT.as_slice() {
        return eprintln!(
            "skipped: the copies of a stream on servers of this version {version:?} come apart when they are \
             parted; PENTAMER_NATS_SERVER names another one"
        );
    }
    let rounds = std::env::var("PENTAMER_ROUNDS").map_or(2, |text| text.parse().expect("a number"));
    let servers = NatsCluster::at(network.places(), program);
    let url = servers.url();
    let hook = HttpReceiver::everywhere();
    let daemons: Vec<Pentamer> = network
        .nodes
        .iter()
        .zip(["a", "b", "c"])
        .map(|(node, name)| {
            let hook = format!("http://{}:{}/{name}", node.ours, hook.address.port());
            let home = instance_that_tells(&url, name, &hook, NODES);
            Pentamer::start(home.within(&node.space.name))
        })
        .collect();
    one_holds(daemons.iter());
    let traffic = Traffic::start(daemons.iter().map(Gate::of).collect());
    let mut done: BTreeMap<(&str, Cut), usize> = BTreeMap::new();
    let mut held_by_the_cut = 0;
    let mut led_by_the_cut = 0;
    for round in 0..rounds {
        healed(&daemons);
        traffic.goes_on("messages", traffic.acknowledged(), 5);
        let holder = wait_within(RECOVERS, "one to hold", || daemons.iter().position(holds));
        let leader = leads(&daemons);
        let whose = ["holder", "leader", "any"][round % 3];
        let node = match whose {
            "holder" => holder,
            "leader" => leader,
            _ => round / 3 % NODES,
        };
        let cut = [Cut::Peers, Cut::All][(round % 3 + round / 3) % 2];
        *done.entry((whose, cut)).or_default() += 1;
        held_by_the_cut += usize::from(node == holder);
        led_by_the_cut += usize::from(node == leader);
        let before = traffic.acknowledged();
        let begun = Instant::now();
        network.set(node, cut, "down");
        let others = || daemons.iter().enumerate().filter(|(one, _)| *one != node);
        wait_within(RECOVERS, "one of the others to hold", || {
            others().any(|(_, one)| holds(one)).then_some(())
        });
        let moved = begun.elapsed();
        traffic.goes_on("messages without it", before, 10);
        // The one that is cut off knows that it may not decide, and that it can store nothing.
        let lone = &daemons[node];
        wait_within(RECOVERS, "the lone one to stand by", || {
            (!holds(lone) && lone.get("/readyz").0 == 503).then_some(())
        });
        wait_within(RECOVERS, "the lone one's page to say so", || {
            (told(lone)?["answers"] == false).then_some(())
        });
        let parted = begun.elapsed();
        network.set(node, cut, "up");
        traffic.goes_on("messages again", traffic.acknowledged(), 10);
        one_holds(daemons.iter());
        println!(
            "round {round}: {whose} {cut:?} (node {node}, holder {holder}, leader {leader}): another holds after \
             {moved:.1?}, parted until {parted:.1?}, over at {:.1?}",
            begun.elapsed()
        );
    }
    healed(&daemons);
    let acknowledged = traffic.end();
    let found = check(&url, &acknowledged, daemons.iter(), &hook);
    // A page that was under way when the right was taken may come again, from whoever has it then; so may one
    // whose answer was lost with the link to the receiver.
    let cuts: usize = (done.iter())
        .filter_map(|((_, cut), times)| (*cut == Cut::All).then_some(*times))
        .sum();
    assert!(
        found.repeated <= found.takings + cuts,
        "{} repeats at {} takings and {cuts} cuts",
        found.repeated,
        found.takings
    );
    let mut from: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for seen in hook.seen() {
        let id = seen.headers["idempotency-key"].clone();
        from.entry(id).or_default().insert(seen.path);
    }
    let from_two = from.values().filter(|paths| paths.len() > 1).count();
    assert!(
        from_two <= found.takings,
        "{from_two} pages from two instances at {} takings",
        found.takings
    );
    println!(
        "{rounds} rounds {done:?}, the deciding node cut off {held_by_the_cut} times, the leading one \
         {led_by_the_cut} times: {} acknowledged, 0 missing and 0 twice of {} facts; {} alerts as one calm instance, \
         {} sends, {} repeated, {from_two} of them from two instances; the right to decide was taken {} times",
        acknowledged.len(),
        found.facts,
        found.alerts,
        found.sends,
        found.repeated,
        found.takings,
    );
}
