//! What a sink is not to know is in no byte that it is sent: markers planted in every field of a message
//! that is about the person, searched in everything that every kind of sink sends.

use super::harness::{Home, Pentamer, command, low_igm, wait_for};
use super::receivers::broker::Mail;
use super::receivers::http::HttpReceiver;
use super::receivers::mllp::MllpReceiver;
use super::sinks::QUICK;

/// In PID-3, PID-5, PID-7 and the filler number of the message below.
const ID: &str = "ZZID4711";
const NAME: &str = "ZZNAME";
const BIRTH: [&str; 2] = ["19800101", "1980-01-01"];
const ORDER: &str = "ZZORDER";
const VALUE: &str = "0.2137";

fn message() -> String {
    low_igm(ORDER, ID)
        .replace("DOE^JANE", &format!("{NAME}^{NAME}"))
        .replace("|0.21|", &format!("|{VALUE}|"))
}

/// All that the sinks of this level were sent, by name.
fn sent(level: &str) -> Vec<(String, String)> {
    let presets = [
        "cloudevents",
        "pagerduty",
        "alertmanager",
        "ntfy",
        "slack",
        "teams",
        "fhir",
    ];
    let receivers: Vec<HttpReceiver> = presets.iter().map(|_| HttpReceiver::start()).collect();
    let (mail, mllp) = (Mail::start(), MllpReceiver::start());
    let home = Home::new("", "");
    let token = home.path().join("token");
    std::fs::write(&token, "KEY").expect("written");
    let file = home.path().join("file.jsonl");
    let common = format!("phi = \"{level}\"\n{QUICK}");
    let mut extra = String::new();
    for (preset, receiver) in presets.iter().zip(&receivers) {
        extra.push_str(&format!(
            "[[sink]]\nname = \"{preset}\"\nkind = \"webhook\"\npreset = \"{preset}\"\nurl = \"{}\"\ntoken_file = \"{}\"\n{common}\n",
            receiver.url(),
            token.display()
        ));
    }
    extra.push_str(&format!(
        "[[sink]]\nname = \"mail\"\nkind = \"smtp\"\nserver = \"127.0.0.1:{}\"\nsecurity = \"none\"\n\
         from = \"a@example.org\"\nto = \"b@example.org\"\n{common}\n\
         [[sink]]\nname = \"mllp\"\nkind = \"mllp\"\naddress = \"{}\"\n{common}\n\
         [[sink]]\nname = \"file\"\nkind = \"file\"\npath = \"{}\"\n{common}\n\
         [[sink]]\nname = \"log\"\nkind = \"log\"\n{common}\n",
        mail.port,
        mllp.address,
        file.display(),
    ));
    let beside = home.path().join("conf.d");
    std::fs::create_dir(&beside).expect("made");
    let links = "[http]\npublic_url = \"https://pentamer.example.org\"\n";
    std::fs::write(beside.join("links.toml"), links).expect("written");
    let daemon = Pentamer::start(home.with_extra(&extra));
    assert_eq!(daemon.connect().exchange(&message()), "AA");
    wait_for("the alert", || {
        (daemon.home.alerts().len() == 1).then_some(())
    });
    let id = daemon.home.alerts()[0]["id"]
        .as_str()
        .expect("id")
        .to_owned();
    // The acknowledgement is told, too; its comment may hold anything.
    let server = format!("http://{}", daemon.http);
    let words = [
        "alerts",
        "ack",
        &id,
        "--comment",
        NAME,
        "--informed",
        NAME,
        "--server",
        &server,
    ];
    assert!(
        command()
            .args(words)
            .output()
            .expect("run")
            .status
            .success()
    );
    wait_for("both", || (daemon.home.alerts().len() == 2).then_some(()));
    daemon.settle();
    let mut all: Vec<(String, String)> = Vec::new();
    for (preset, receiver) in presets.iter().zip(&receivers) {
        let seen = receiver.seen();
        assert_eq!(seen.len(), 2, "{preset}");
        let text = |seen: &super::receivers::http::Seen| {
            format!(
                "{} {:?} {}",
                seen.path,
                seen.headers,
                String::from_utf8_lossy(&seen.body)
            )
        };
        all.push(((*preset).to_owned(), seen.iter().map(text).collect()));
    }
    // Whatever encoding a mail is in, its lines are joined again.
    all.push((
        "mail".to_owned(),
        mail.mails()
            .concat()
            .replace("=\r\n", "")
            .replace("=\n", ""),
    ));
    all.push(("mllp".to_owned(), mllp.seen().concat()));
    all.push((
        "file".to_owned(),
        std::fs::read_to_string(&file).expect("read"),
    ));
    let log = daemon.home.log();
    all.push(("log".to_owned(), log));
    for (name, text) in &all {
        assert!(
            name == "teams" || text.contains(&id) || name == "slack" || name == "ntfy",
            "{name}: {text}"
        );
    }
    all
}

fn hold(all: &[(String, String)], marker: &str) -> Vec<String> {
    let found = all.iter().filter(|(_, text)| text.contains(marker));
    found.map(|(name, _)| name.clone()).collect()
}

#[test]
fn at_none_nothing_of_a_person_leaves() {
    let all = sent("none");
    for marker in [ID, NAME, BIRTH[0], BIRTH[1], ORDER, VALUE] {
        assert_eq!(hold(&all, marker), Vec::<String>::new(), "{marker}");
    }
}

#[test]
fn at_minimum_neither_name_nor_birth_date_leaves() {
    let all = sent("minimum");
    for marker in [NAME, BIRTH[0], BIRTH[1]] {
        assert_eq!(hold(&all, marker), Vec::<String>::new(), "{marker}");
    }
    // The test looks at what is there: the id is.
    let ids = hold(&all, ID);
    for sink in [
        "cloudevents",
        "pagerduty",
        "slack",
        "teams",
        "fhir",
        "mail",
        "mllp",
        "file",
        "log",
    ] {
        assert!(
            ids.iter().any(|name| name == sink),
            "{sink} holds no id: {ids:?}"
        );
    }
}

#[test]
fn at_full_the_name_leaves_where_it_has_a_place() {
    let all = sent("full");
    let names = hold(&all, NAME);
    for sink in ["cloudevents", "pagerduty", "fhir", "mail", "mllp", "file"] {
        assert!(
            names.iter().any(|name| name == sink),
            "{sink} holds no name: {names:?}"
        );
    }
}
