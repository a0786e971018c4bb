//! Links that are slow, lose packets and are cut: the daemon in a network namespace of its own, with a
//! link of its own to the senders and another to the laboratory system.
//!
//! Where `tc` knows netem, links delay, lose, repeat and reorder; else a narrow link with a short queue
//! (tbf) delays and loses. Where no namespace can be made the test says so; what a proxy can cut and stall
//! is in `torn`, on every machine.

use super::*;
use crate::e2e::harness::spawn;
use crate::e2e::netns::{Namespace, run};
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

/// A namespace with two links; gone when dropped.
struct Network {
    space: Namespace,
    /// Our ends of the links, and the addresses behind them.
    links: [Link; 2],
}

struct Link {
    near: String,
    far: &'static str,
    near_address: String,
    far_address: String,
}

impl Network {
    fn make() -> Result<Self, String> {
        let id = std::process::id();
        let net = id % 250 + 1;
        let link = |number: u8, far: &'static str| Link {
            near: format!("pn{id}-{number}"),
            far,
            near_address: format!("10.{}.{net}.1", 212 + number),
            far_address: format!("10.{}.{net}.2", 212 + number),
        };
        let network = Self {
            space: Namespace::make(format!("pentamer{id}"))?,
            links: [link(1, "senders"), link(2, "lis")],
        };
        let name = &network.space.name;
        for link in &network.links {
            let (near, far) = (&link.near, link.far);
            run(&format!(
                "ip link add {near} type veth peer name {far} netns {name}"
            ))?;
            run(&format!("ip addr add {}/30 dev {near}", link.near_address))?;
            run(&format!("ip link set {near} up"))?;
            run(&format!(
                "ip -n {name} addr add {}/30 dev {far}",
                link.far_address
            ))?;
            run(&format!("ip -n {name} link set {far} up"))?;
        }
        Ok(network)
    }

    /// Makes all four ends rough; what they are then.
    fn roughen(&self) -> Result<&'static str, String> {
        let netem = "netem delay 15ms 10ms loss 2% duplicate 1% reorder 10%";
        let narrow = "tbf rate 3mbit burst 3000 limit 3000";
        let rough = |what: &str| {
            self.links.iter().try_for_each(|link| {
                run(&format!("tc qdisc replace dev {} root {what}", link.near))?;
                let far = format!(
                    "tc -n {} qdisc replace dev {} root {what}",
                    self.space.name, link.far
                );
                run(&far).map(drop)
            })
        };
        match rough(netem) {
            Ok(()) => Ok(netem),
            Err(why) => {
                eprintln!("no netem here ({why}): a narrow link with a short queue instead");
                rough(narrow).map(|()| narrow)
            }
        }
    }

    /// Packets that the links lost so far.
    fn dropped(&self) -> u64 {
        let lines = self.links.iter().flat_map(|link| {
            [
                run(&format!("tc -s qdisc show dev {}", link.near)),
                run(&format!(
                    "tc -n {} -s qdisc show dev {}",
                    self.space.name, link.far
                )),
            ]
        });
        lines
            .map_while(Result::ok)
            .filter_map(|text| {
                let (_, rest) = text.split_once("dropped ")?;
                rest.split(',').next()?.parse::<u64>().ok()
            })
            .sum()
    }

    /// Cuts a link for so long.
    fn cut(&self, link: &Link, pause: Duration) {
        run(&format!(
            "ip -n {} link set {} down",
            self.space.name, link.far
        ))
        .expect("down");
        std::thread::park_timeout(pause);
        run(&format!(
            "ip -n {} link set {} up",
            self.space.name, link.far
        ))
        .expect("up");
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // The other ends would go a while after the namespace.
        for link in &self.links {
            let _ = run(&format!("ip link del {}", link.near));
        }
    }
}

const SENDERS: usize = 6;
const MESSAGES: usize = 40;

/// Frames by their control ids, `SENDER-NUMBER`.
type Sent = BTreeMap<String, Vec<u8>>;

/// A sender as they are: keeps its connection, waits for each answer, and after its time-out sends again
/// over a new connection. How often that was.
fn deliver(to: SocketAddr, sender: usize, sent: &Sent, answered: &AtomicUsize) -> usize {
    let mut connection: Option<TcpStream> = None;
    let mut attempts = 0;
    let mine = format!("{sender}-");
    for (_, message) in sent.iter().filter(|(id, _)| id.starts_with(&mine)) {
        let expected = acknowledge(message, "AA");
        wait_for("an answer", || {
            attempts += 1;
            let mut stream = match connection.take() {
                Some(stream) => stream,
                None => TcpStream::connect_timeout(&to, Duration::from_secs(2)).ok()?,
            };
            stream.set_nodelay(true).ok()?;
            stream.set_read_timeout(Some(Duration::from_secs(4))).ok()?;
            stream.write_all(message).ok()?;
            let mut answer = vec![0; expected.len()];
            stream.read_exact(&mut answer).ok()?;
            assert_eq!(answer, expected, "not the system's own bytes");
            connection = Some(stream);
            Some(())
        });
        answered.fetch_add(1, Ordering::Relaxed);
    }
    attempts - sent.len() / SENDERS
}

/// Whatever the links do: an answered message passed whole and is in the journal, and no byte changed.
#[test]
fn what_was_answered_over_links_that_lose_and_are_cut_is_journaled() {
    let network = match Network::make() {
        Ok(network) => network,
        Err(why) => return eprintln!("skipped: no network of its own can be made here: {why}"),
    };
    let [to_senders, to_lis] = &network.links;
    let at = format!("{}:0", to_lis.near_address);
    let lis = Lis::at(&at, |frame| acknowledge(frame, "AA"));
    let wan = format!(
        "[[listener]]\nname = \"wan\"\nbind = \"{}:0\"\n{}",
        to_senders.far_address,
        lis.relay("drain = \"2s\"")
    );
    let home = Home::new("", &wan).within(&network.space.name);
    let daemon = Pentamer::begin(home);
    let to = daemon.listener("wan");
    let rough = match network.roughen() {
        Ok(rough) => rough,
        Err(why) => return eprintln!("skipped: links cannot be made rough here: {why}"),
    };
    let begun = Instant::now();
    let answered = Arc::new(AtomicUsize::new(0));
    let ids = (0..SENDERS).flat_map(|sender| (0..MESSAGES).map(move |n| format!("{sender}-{n}")));
    let sent: Sent = ids
        .map(|id| (id.clone(), framed(&low_igm(&id, &id))))
        .collect();
    let sent = Arc::new(sent);
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let (sent, answered) = (Arc::clone(&sent), Arc::clone(&answered));
            std::thread::spawn(move || deliver(to, sender, &sent, &answered))
        })
        .collect();
    // Someone who only talks: makes the narrow links lose packets of the others.
    let quiet = Arc::new(AtomicBool::new(false));
    let talker = std::thread::spawn({
        let quiet = Arc::clone(&quiet);
        move || {
            while !quiet.load(Ordering::Relaxed) {
                let Ok(mut stream) = TcpStream::connect_timeout(&to, Duration::from_secs(2)) else {
                    continue;
                };
                let _ = stream.set_write_timeout(Some(Duration::from_secs(2)));
                let _ = stream.write_all(&[b'~'; 60_000]);
                std::thread::park_timeout(Duration::from_millis(200));
            }
        }
    });
    // Short cuts are bridged by TCP, long ones end in time-outs of the senders. The link is cut where
    // messages are under way: not before some of the next are answered.
    let cuts = [
        (to_senders, 300),
        (to_lis, 300),
        (to_lis, 5_000),
        (to_senders, 5_000),
    ];
    for (cut, (link, pause)) in cuts.into_iter().enumerate() {
        let after = (cut + 1) * SENDERS * MESSAGES / 6;
        wait_for("the messages before a cut", || {
            (answered.load(Ordering::Relaxed) >= after).then_some(())
        });
        network.cut(link, Duration::from_millis(pause));
    }
    let repeated: usize = senders
        .into_iter()
        .map(|sender| sender.join().expect("all answered"))
        .sum();
    quiet.store(true, Ordering::Relaxed);
    talker.join().expect("ended");
    let took = begun.elapsed();
    let dropped = network.dropped();
    let (home, status) = daemon.stop();
    assert!(status.success());
    let log = home.log();
    assert!(!log.contains("\"event\":\"tap_lost\""), "{log}");
    let kept: BTreeSet<String> = crate::offline::messages(&home.data())
        .iter()
        .map(|raw| control_id(raw))
        .collect();
    assert!(
        kept.iter().eq(sent.keys()),
        "{} of {}",
        kept.len(),
        sent.len()
    );
    for bytes in lis.seen() {
        for frame in bytes.split(|byte| *byte == 0x0b).skip(1) {
            // The last of a connection may be cut off.
            let whole = frame.ends_with(b"\x1c\r");
            let same = sent.get(&control_id(frame)).map(|sent| sent[1..] == *frame);
            assert!(!whole || same == Some(true), "changed on its way");
        }
    }
    assert!(repeated > 0, "the long cuts were not felt");
    assert!(dropped > 0, "nothing was lost");
    println!(
        "{rough}: {} messages in {took:.1?}, {dropped} packets lost, {} cuts, {repeated} attempts in vain, 0 missing",
        sent.len(),
        cuts.len()
    );
}

/// WIRE F-39, P-16: every connection is kept alive by the system, so that a dead peer is noticed.
#[test]
fn connections_are_kept_alive_on_both_sides() {
    let lis = Lis::accepting();
    let endpoint = "[[listener]]\nname = \"endpoint\"\nbind = \"127.0.0.1:0\"\n";
    let daemon = Pentamer::start(Home::new(&lis.relay(""), endpoint));
    let endpoint = daemon.listener("endpoint");
    let mut senders = [daemon.connect(), Sender::new(endpoint)];
    for sender in &mut senders {
        sender.send_framed(&low_igm("1", "1"));
        sender.answer().expect("an answer");
    }
    for end in [
        format!("sport = :{}", daemon.mllp.port()),
        format!("dport = :{}", lis.address.port()),
        format!("sport = :{}", endpoint.port()),
    ] {
        let output = Command::new("ss")
            .args(["-tnoH", "state", "established"])
            .arg(format!("( {end} )"))
            .output();
        let Ok(output) = output else {
            return eprintln!("skipped: there is no `ss` here");
        };
        let text = String::from_utf8_lossy(&output.stdout);
        let kept = text
            .lines()
            .filter(|line| line.contains("timer:(keepalive,"));
        assert_eq!(
            (kept.count(), text.lines().count()),
            (1, 1),
            "{end}: {text}"
        );
    }
}

/// The harness's own way to start a daemon elsewhere works where namespaces do.
#[test]
fn a_daemon_that_cannot_bind_in_its_namespace_says_so() {
    let network = match Network::make() {
        Ok(network) => network,
        Err(why) => return eprintln!("skipped: no network of its own can be made here: {why}"),
    };
    let ours = format!(
        "[[listener]]\nname = \"wan\"\nbind = \"{}:0\"\n",
        network.links[0].near_address
    );
    let (mut child, home) = spawn(Home::new("", &ours).within(&network.space.name));
    let status = child.wait().expect("ended");
    assert_eq!(status.code(), Some(3));
    assert!(
        home.log().contains("cannot bind listener `wan`"),
        "{}",
        home.log()
    );
}
