//! RabbitMQ and NATS JetStream, as Debian has them: restarted, killed and misconfigured during delivery.
//! Every alert is there, with its id; twice only where the broker was not able to say that it has it.

use super::harness::{Home, Pentamer, wait_for};
use super::receivers::broker::{Nats, NatsCluster, Rabbit};
use super::sinks::{QUICK, page};
use async_nats::jetstream;
use lapin::options::{
    BasicAckOptions, BasicGetOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties, ExchangeKind};
use std::collections::BTreeSet;
use std::time::Duration;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime")
}

/// Until it works: brokers take a while after they listen.
fn until<T, E: std::fmt::Debug>(
    runtime: &tokio::runtime::Runtime,
    what: &str,
    mut attempt: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    wait_for(what, || {
        let tried = runtime
            .block_on(async { tokio::time::timeout(Duration::from_secs(10), attempt()).await });
        tried.ok()?.ok()
    })
}

fn told(daemon: &Pentamer) -> BTreeSet<String> {
    let alerts = daemon.home.alerts();
    alerts
        .iter()
        .map(|alert| alert["id"].as_str().expect("id").to_owned())
        .collect()
}

async fn channel(url: &str) -> Result<(Connection, lapin::Channel), lapin::Error> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    Ok((connection, channel))
}

async fn bind_queue(url: &str) -> Result<(), lapin::Error> {
    let (_connection, channel) = channel(url).await?;
    let durable = ExchangeDeclareOptions {
        durable: true,
        ..ExchangeDeclareOptions::default()
    };
    channel
        .exchange_declare(
            "alerts".into(),
            ExchangeKind::Topic,
            durable,
            FieldTable::default(),
        )
        .await?;
    let durable = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    channel
        .queue_declare("immunology".into(), durable, FieldTable::default())
        .await?;
    channel
        .queue_bind(
            "immunology".into(),
            "alerts".into(),
            "pentamer.#".into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        )
        .await
}

/// Everything in the queue: id by property, and body.
async fn drain(url: &str) -> Result<Vec<(String, serde_json::Value)>, lapin::Error> {
    let (_connection, channel) = channel(url).await?;
    let mut found = Vec::new();
    while let Some(got) = channel
        .basic_get("immunology".into(), BasicGetOptions::default())
        .await?
    {
        let delivery = got.delivery;
        let id = delivery
            .properties
            .message_id()
            .clone()
            .expect("an id")
            .to_string();
        assert_eq!(delivery.properties.delivery_mode(), &Some(2), "persistent");
        let kind = delivery
            .properties
            .content_type()
            .clone()
            .expect("a type")
            .to_string();
        assert_eq!(kind, "application/cloudevents+json; charset=utf-8");
        found.push((id, serde_json::from_slice(&delivery.data).expect("JSON")));
        delivery.ack(BasicAckOptions::default()).await?;
    }
    Ok(found)
}

#[test]
fn rabbitmq_has_every_alert_though_it_was_away_unbound_and_killed() {
    let mut rabbit = Rabbit::start();
    let runtime = runtime();
    let url = rabbit.url();
    let password = "guest\n";
    let home = Home::new("", "");
    std::fs::write(home.path().join("password"), password).expect("written");
    let sink = format!(
        "[[sink]]\nname = \"rabbit\"\nkind = \"amqp\"\nurl = \"amqp://127.0.0.1:{}/%2f\"\nexchange = \"alerts\"\n\
         username = \"guest\"\npassword_file = \"{}\"\n{QUICK}timeout = \"10s\"\n",
        rabbit.port,
        home.path().join("password").display()
    );
    let daemon = Pentamer::start(home.with_extra(&sink));
    let result = |result: &str| {
        daemon.metric(
            "pentamer_deliveries_total",
            &format!("sink=\"rabbit\",result=\"{result}\""),
        )
    };
    // No exchange yet: the channel is closed each time, and nothing is lost.
    page(&daemon, 1, 1);
    wait_for("a missing exchange to be told", || {
        (result("failed") >= 2.0).then_some(())
    });
    assert_eq!(result("delivered"), 0.0);
    until(&runtime, "the queue", async || bind_queue(&url).await);
    wait_for("the first alert", || {
        (result("delivered") == 1.0).then_some(())
    });
    // Killed while alerts come, and back after a while.
    page(&daemon, 2, 5);
    rabbit.kill();
    page(&daemon, 7, 5);
    wait_for("failures", || (result("failed") >= 4.0).then_some(()));
    rabbit.again();
    daemon.settle();
    let found = until(&runtime, "the queue's content", async || drain(&url).await);
    let ids: BTreeSet<String> = found.iter().map(|(id, _)| id.clone()).collect();
    assert_eq!(ids, told(&daemon));
    assert!(found.iter().all(|(id, event)| event["id"] == id.as_str()));
    assert!(
        found.len() <= ids.len() + 1,
        "at most the one that was under way is there twice"
    );
}

#[test]
fn an_unroutable_alert_is_not_delivered() {
    let rabbit = Rabbit::start();
    let sink = format!(
        "[[sink]]\nname = \"rabbit\"\nkind = \"amqp\"\nurl = \"{}\"\nexchange = \"\"\nrouting_key = \"immunology\"\n{QUICK}",
        rabbit.url()
    );
    let daemon = Pentamer::start(Home::new("", &sink));
    page(&daemon, 1, 1);
    wait_for("the broker to return it", || {
        daemon
            .home
            .log()
            .contains("no queue is bound")
            .then_some(())
    });
    let runtime = runtime();
    until(&runtime, "the queue", async || {
        bind_queue(&rabbit.url()).await
    });
    daemon.settle();
    let found = until(&runtime, "its content", async || drain(&rabbit.url()).await);
    assert_eq!(found.len(), 1);
}

async fn stream(url: &str, replicas: usize) -> Result<(), String> {
    let urls: Vec<&str> = url.split(',').collect();
    let client = async_nats::connect(urls)
        .await
        .map_err(|error| error.to_string())?;
    let config = jetstream::stream::Config {
        name: "ALERTS".to_owned(),
        subjects: vec!["pentamer.>".to_owned()],
        num_replicas: replicas,
        ..jetstream::stream::Config::default()
    };
    let made = jetstream::new(client).get_or_create_stream(config).await;
    made.map(drop).map_err(|error| error.to_string())
}

async fn leader(url: &str) -> Result<String, String> {
    let urls: Vec<&str> = url.split(',').collect();
    let client = async_nats::connect(urls)
        .await
        .map_err(|error| error.to_string())?;
    let stream = jetstream::new(client).get_stream("ALERTS").await;
    let mut stream = stream.map_err(|error| error.to_string())?;
    let info = stream.info().await.map_err(|error| error.to_string())?;
    let cluster = info.cluster.as_ref().ok_or("no cluster")?;
    cluster.leader.clone().ok_or_else(|| "no leader".to_owned())
}

/// `Nats-Msg-Id` and body of everything in the stream.
async fn content(url: &str) -> Result<Vec<(String, serde_json::Value)>, String> {
    let urls: Vec<&str> = url.split(',').collect();
    let client = async_nats::connect(urls)
        .await
        .map_err(|error| error.to_string())?;
    let stream = jetstream::new(client).get_stream("ALERTS").await;
    let mut stream = stream.map_err(|error| error.to_string())?;
    let last = stream
        .info()
        .await
        .map_err(|error| error.to_string())?
        .state
        .last_sequence;
    let mut found = Vec::new();
    for sequence in 1..=last {
        let message = stream
            .get_raw_message(sequence)
            .await
            .map_err(|error| error.to_string())?;
        let id = message
            .headers
            .get("Nats-Msg-Id")
            .ok_or("no id")?
            .to_string();
        let event = serde_json::from_slice(&message.payload).map_err(|error| error.to_string())?;
        found.push((id, event));
    }
    Ok(found)
}

fn nats_sink(url: &str) -> String {
    format!(
        "[[sink]]\nname = \"nats\"\nkind = \"nats\"\nurl = \"{url}\"\nsubject = \"pentamer.alerts\"\n\
         timeout = \"3s\"\nretry = {{ initial = \"20ms\", max = \"200ms\" }}\n"
    )
}

#[test]
fn jetstream_has_every_alert_once_though_it_was_without_a_stream_and_killed() {
    let mut nats = Nats::start();
    let runtime = runtime();
    let url = nats.url();
    let daemon = Pentamer::start(Home::new("", &nats_sink(&url)));
    let result = |result: &str| {
        daemon.metric(
            "pentamer_deliveries_total",
            &format!("sink=\"nats\",result=\"{result}\""),
        )
    };
    page(&daemon, 1, 1);
    wait_for("a missing stream to be told", || {
        (result("failed") >= 2.0).then_some(())
    });
    until(&runtime, "the stream", async || stream(&url, 1).await);
    wait_for("the first alert", || {
        (result("delivered") == 1.0).then_some(())
    });
    page(&daemon, 2, 5);
    nats.kill();
    page(&daemon, 7, 5);
    wait_for("failures", || (result("failed") >= 4.0).then_some(()));
    nats.again();
    daemon.settle();
    let found = until(&runtime, "the stream's content", async || {
        content(&url).await
    });
    let ids: Vec<String> = found.iter().map(|(id, _)| id.clone()).collect();
    let set: BTreeSet<String> = ids.iter().cloned().collect();
    assert_eq!(set, told(&daemon));
    assert_eq!(
        ids.len(),
        set.len(),
        "the stream knows each id within two minutes"
    );
    assert!(found.iter().all(|(id, event)| event["id"] == id.as_str()));
}

#[test]
fn a_killed_leader_loses_and_doubles_nothing() {
    let mut cluster = NatsCluster::start();
    let runtime = runtime();
    let url = cluster.url();
    until(&runtime, "a stream of three", async || {
        stream(&url, 3).await
    });
    let daemon = Pentamer::start(Home::new("", &nats_sink(&url)));
    page(&daemon, 1, 5);
    let name = until(&runtime, "its leader", async || leader(&url).await);
    page(&daemon, 6, 5);
    cluster.kill(&name);
    page(&daemon, 11, 5);
    daemon.settle();
    let found = until(&runtime, "the stream's content", async || {
        content(&url).await
    });
    let ids: Vec<String> = found.iter().map(|(id, _)| id.clone()).collect();
    let set: BTreeSet<String> = ids.iter().cloned().collect();
    assert_eq!(set, told(&daemon));
    assert_eq!(ids.len(), 15);
}
