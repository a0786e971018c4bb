//! Receivers for sinks to deliver to: real servers on free loopback ports, and ones of ours that
//! misbehave on demand.

pub mod broker;
pub mod http;
pub mod jwt;
pub mod mllp;
pub mod tap;

use std::process::Child;

/// A server that is ended with the test.
pub struct Server(pub Child);

impl Server {
    pub fn stop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A port that is free now; what is started on it soon after finds it so.
pub fn free_port() -> u16 {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    socket.local_addr().expect("an address").port()
}
