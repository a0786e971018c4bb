//! Peers as processes: which are installed, how each is started and ended.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server that is installed.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its name and version.
    pub name: String,
    program: PathBuf,
    script: PathBuf,
    modules: PathBuf,
}

/// One that runs, until it is dropped.
pub struct Process {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

/// Those of npm: folder, package.
const OF_NPM: [(&str, &str); 3] = [
    ("simple-hl7", "simple-hl7"),
    ("medplum-hl7", "@medplum/hl7"),
    ("node-hl7-server", "node-hl7-server"),
];

/// The peers below a folder, and the names of those that are not there.
pub fn peers(folder: &Path) -> (Vec<Peer>, Vec<&'static str>) {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers");
    let (mut there, mut missing) = (Vec::new(), Vec::new());
    let python = folder.join("python-hl7/bin/python");
    let said = Command::new(&python)
        .args([
            "-c",
            "import importlib.metadata as m; print(m.version('hl7'))",
        ])
        .output();
    match said {
        Ok(said) if said.status.success() => there.push(Peer {
            name: format!(
                "python-hl7 {}",
                String::from_utf8_lossy(&said.stdout).trim()
            ),
            program: python,
            script: scripts.join("python_hl7.py"),
            modules: PathBuf::new(),
        }),
        _ => missing.push("python-hl7"),
    }
    for (name, package) in OF_NPM {
        let modules = folder.join(name).join("node_modules");
        let about = std::fs::read(modules.join(package).join("package.json"));
        let about: Option<serde_json::Value> = about
            .ok()
            .and_then(|about| serde_json::from_slice(&about).ok());
        let Some(about) = about else {
            missing.push(package);
            continue;
        };
        there.push(Peer {
            name: format!("{package} {}", about["version"].as_str().unwrap_or("?")),
            program: PathBuf::from("node"),
            script: scripts.join(format!("{name}.cjs")),
            modules,
        });
    }
    (there, missing)
}

impl Peer {
    /// Starts it and waits until it listens.
    pub fn start(&self, mode: &str, file: &Path) -> Process {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = free.local_addr().expect("an address");
        drop(free);
        let child = Command::new(&self.program)
            .arg(&self.script)
            .arg(address.port().to_string())
            .arg(mode)
            .arg(file)
            .env("NODE_PATH", &self.modules)
            .env("NODE_ENV", "production")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("started");
        let end = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < end, "{} does not listen", self.name);
            std::thread::sleep(Duration::from_millis(20));
        }
        Process { child, address }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
