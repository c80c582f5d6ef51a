//! An environment of the tests' own, beside the user's.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::LazyLock;
use std::time::Duration;
use std::{env, fs, thread};

use echo_harness::child::OwnedChild;
use echo_harness::fixture::Fixture;
use echo_harness::skip;
use echo_harness::wait::{PATIENCE, Patience, try_until};

use crate::guardian::Guardian;
use crate::run::{LIMIT, Output, checkout, command, script, try_run};

/// The container of the idle clients.
const IDLE: &str = "idle";

/// The server and its clients in containers, under names and in a network that nobody else has.
pub struct Environment {
    prefix: String,
    /// The first three parts of all addresses.
    subnet: String,
    config: PathBuf,
    guardian: Guardian,
}

/// Waits until `condition` holds. It asks the engine, so there is a pause between two looks.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let patience = Patience { pause: Duration::from_millis(100), ..PATIENCE };
    let seen = try_until(what, patience, || Ok::<_, io::Error>(condition().then_some(())));
    assert!(seen.is_ok(), "{seen:?}");
}

impl Fixture for Environment {
    fn is_possible() -> bool {
        static ENGINE_ANSWERS: LazyLock<bool> = LazyLock::new(engine_answers);
        if !*ENGINE_ANSWERS {
            skip::say("no Docker engine answers", "");
        }
        *ENGINE_ANSWERS
    }

    /// Builds the images; nothing runs yet.
    fn make() -> Environment {
        let tag = RandomState::new().hash_one(0) & 0xffff;
        let prefix = format!("t{}-{tag:04x}-", process::id());
        let directory = env::temp_dir().join(format!("{prefix}environment"));
        let scaled = checkout().join(format!("docker/docker-compose-{prefix}scaled.yaml"));
        let guardian = Guardian::new(&prefix, &[&directory, &scaled]);
        fs::create_dir(&directory).expect("a directory of our own");
        let config = directory.join("config.yaml");
        let mut environment = Environment { prefix, subnet: String::new(), config, guardian };
        environment.subnet = environment.free_subnet();
        for image_script in ["build-images", "netcat-image"] {
            environment.script(image_script, &[]).succeeded();
        }
        environment
    }
}

impl Environment {
    /// The first three parts of a free subnet's addresses. The engine chooses it: it overlaps none of the
    /// engine's other networks and no route of the host.
    fn free_subnet(&self) -> String {
        let network = self.named("free");
        self.engine(&["network", "create", &network]);
        let format = "{{(index .IPAM.Config 0).Subnet}}";
        let subnet = self.engine(&["network", "inspect", "--format", format, &network]);
        self.engine(&["network", "rm", &network]);
        let (address, bits) = subnet.split_once('/').expect("a subnet");
        let [a, b, c, _] = address.parse::<Ipv4Addr>().expect("an IPv4 address").octets();
        // The engine's subnet has room for many of our size. The process id chooses one of them, so that another
        // run that asks at this moment chooses another.
        let number: u32 = 1 << 24_u32.saturating_sub(bits.parse().expect("a number of bits"));
        format!("{a}.{b}.{}", u32::from(c) + process::id() % number.min(100))
    }

    fn prepare<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("ECHO_PREFIX", &self.prefix).env("ECHO_SUBNET", self.address("0/24"));
        command.env("ECHO_CONFIG", &self.config).process_group(0)
    }

    /// Runs a command on this environment. If this process is killed meanwhile, the guardian ends the command.
    pub fn run(&self, command: &mut Command) -> Output {
        let command = self.prepare(command);
        let output = try_run(command, LIMIT, |pid| self.guardian.tell(pid));
        let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        self.guardian.tell(0);
        output
    }

    /// Runs `docker/NAME.sh` on this environment.
    pub fn script(&self, name: &str, arguments: &[&str]) -> Output {
        self.run(&mut script(name, arguments))
    }

    /// Starts `docker/NAME.sh` in a process group of its own, with a pipe as its output.
    pub fn start_script(&self, name: &str, arguments: &[&str]) -> OwnedChild {
        let mut script = script(name, arguments);
        OwnedChild::spawn(self.prepare(script.stdout(Stdio::piped()))).expect("a script can start")
    }

    /// A directory of this environment's own.
    pub fn directory(&self) -> &Path {
        self.config.parent().expect("it is in a directory")
    }

    /// A second checkout, with the same sources.
    pub fn another_checkout(&self, name: &str) -> PathBuf {
        let path = self.directory().join(name);
        let copy =
            "mkdir \"$1\" && cp -R .dockerignore Cargo.* Makefile config.yaml docker echo-* proof \"$1\" &&
            rm -rf \"$1\"/docker/.*.lock \"$1\"/docker/*scaled.yaml";
        let mut copy_all = command("sh");
        copy_all.args(["-c", copy, "copy"]).arg(&path).current_dir(checkout());
        self.run(&mut copy_all).succeeded();
        path
    }

    /// Runs a command of the engine, and returns its output.
    pub fn engine(&self, arguments: &[&str]) -> String {
        self.run(command("docker").args(arguments)).succeeded().text.trim_end().to_owned()
    }

    /// The same with the name of a container behind these words.
    pub fn docker(&self, words: &str, service: &str) -> String {
        self.engine(&words.split(' ').chain([&*self.named(service)]).collect::<Vec<_>>())
    }

    /// The image of a program, which only this environment uses.
    pub fn image(&self, program: &str) -> String {
        format!("{program}:{}latest", self.prefix)
    }

    /// The name of a container or a network in this environment.
    pub fn named(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    pub fn network(&self) -> String {
        self.named("echo-reactor_testing_net")
    }

    /// An address in the network.
    pub fn address(&self, last_part: &str) -> String {
        format!("{}.{last_part}", self.subnet)
    }

    /// The address of the idle clients, which nobody else gets.
    pub fn idle_address(&self) -> String {
        self.address("200")
    }

    /// The log of a service, of all its lives.
    pub fn log(&self, service: &str) -> Output {
        self.run(command("docker").args(["logs", &self.named(service)])).succeeded()
    }

    /// A property of a service's container.
    pub fn inspect(&self, service: &str, format: &str) -> String {
        self.engine(&["container", "inspect", "--format", format, &self.named(service)])
    }

    pub fn has_exited(&self, service: &str, code: i32) -> bool {
        self.inspect(service, "{{.State.Status}} {{.State.ExitCode}}") == format!("exited {code}")
    }

    /// The services that run; with `--all`, all that exist.
    pub fn services(&self, scope: &[&str]) -> BTreeSet<String> {
        let project = format!("label=com.docker.compose.project={}", self.named("echo-reactor"));
        let service = "{{.Label \"com.docker.compose.service\"}}";
        let list = ["ps", "--filter", &project, "--format", service];
        self.engine(&[&list, scope].concat()).lines().map(str::to_owned).collect()
    }

    /// All containers and networks, with their states.
    pub fn everything(&self) -> String {
        let name = format!("name=^{}", self.prefix);
        let containers = "{{.ID}} {{.Names}} {{.State}}";
        let list = ["ps", "--all", "--no-trunc", "--filter", &name, "--format", containers];
        let networks = ["network", "ls", "--no-trunc", "--quiet", "--filter", &name];
        format!("{}\n{}", self.engine(&list), self.engine(&networks))
    }

    /// Writes the configuration, and returns whether it has changed. A new file takes the old one's place, as
    /// when an editor saves.
    pub fn configure(&self, yaml: &str) -> bool {
        let is_new = fs::read(&self.config).ok().as_deref() != Some(yaml.as_bytes());
        if is_new {
            let edited = self.config.with_extension("edited");
            fs::write(&edited, yaml).expect("a file of our own");
            // The containers' user has to read it.
            fs::set_permissions(&edited, PermissionsExt::from_mode(0o644)).expect("our own");
            fs::rename(edited, &self.config).expect("a file of our own");
        }
        is_new
    }

    /// Brings the environment to the server and this number of clients, with this configuration.
    pub fn bring_up(&self, yaml: &str, clients: usize) {
        if self.configure(yaml) {
            for service in self.services(&[]) {
                self.docker("restart -t 1", &service);
            }
        }
        if self.services(&[]) != with_clients(clients) {
            self.script("scale", &[&clients.to_string()]).succeeded();
        }
    }

    /// Starts or restarts the server, and waits until it listens.
    pub fn server_listens_after(&self, words: &str) {
        let listening = || self.log("server").count("*Listening on *");
        let before = listening();
        self.docker(words, "server");
        wait_until("the server listening", || listening() > before);
    }

    /// Connects three more clients that send nothing. Their container stays for later tests, because it takes
    /// long to make one.
    pub fn connect_idle_clients(&self) {
        let (name, address) = (self.named(IDLE), self.idle_address());
        let connected = format!("*Got connection from ('{address}', *");
        let before = self.log("server").count(&connected);
        if !self.everything().contains(&name) {
            let run = ["run", "--detach", "--name", &name, "--ip", &address];
            let image = ["--network", &self.network(), "echo-netcat:latest", "sleep", "600"];
            self.engine(&[&run[..], &image].concat());
        }
        let connect = "for i in 1 2 3; do sleep 300 | nc server 12345 & done; wait";
        self.engine(&["exec", "--detach", &name, "sh", "-c", connect]);
        wait_until("idle clients", || self.log("server").count(&connected) == before + 3);
    }

    /// Takes all containers and the network down.
    pub fn take_down(&self) {
        self.remove_idle_clients();
        self.script("down", &[]).succeeded();
    }

    /// The network can't be removed while their container exists.
    pub fn remove_idle_clients(&self) {
        if self.everything().contains(&self.named(IDLE)) {
            self.docker("rm --force", IDLE);
        }
    }
}

impl Drop for Environment {
    /// Shows what may explain the failure of a test.
    fn drop(&mut self) {
        if thread::panicking() {
            let name = format!("name=^{}", self.prefix);
            let list = ["ps", "--all", "--filter", &name, "--format", "{{.Names}} {{.Status}}"];
            for container in self.run(command("docker").args(list)).text.lines() {
                let name = container.split(' ').next().unwrap_or_default();
                let log = self.run(command("docker").args(["logs", "--tail", "10", name]));
                println!("{container}\n{}", log.text);
            }
        }
    }
}

fn engine_answers() -> bool {
    let info = try_run(command("docker").arg("info"), Duration::from_secs(20), |_| ());
    info.is_ok_and(|output| output.code == Some(0))
}

/// The names of the server and this number of clients.
pub fn with_clients(number: usize) -> BTreeSet<String> {
    (1..=number).map(|id| format!("client{id}")).chain(["server".to_owned()]).collect()
}
