//! The stack on the engines, by the commands that a user has.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use echo_containers::{Output, command, run, script, wait_until};
use echo_harness::command::is_available;
use echo_harness::fixture::Fixture;
use rustix::process::Pid;

use crate::clients::{Account, Reader};
use crate::engines::{Engines, NODES};

/// The clients send a message every 20 ms, until they are stopped.
/// The delay is longer than a busy machine takes to tell all its engines that an address has left the name.
const CONFIG: &str = "\
server: {drain_delay: 5s}
client: {loop_period: 20ms, loop_lapse: 365d}
";

/// How many of each there are at the beginning of each test.
pub const REPLICAS: usize = 3;
pub const CLIENTS: usize = 12;

/// What comes before all names.
const PREFIX: &str = "swarm-";

/// The engines and the stack on them.
pub struct Stack {
    engines: RefCell<Engines>,
    config: PathBuf,
    /// The clients' logs, by the container's id.
    pub(crate) readers: RefCell<BTreeMap<String, Reader>>,
}

impl Fixture for Stack {
    /// Whether this user may make networks and start engines in them.
    fn is_possible() -> bool {
        let needed: [&[&str]; 4] = [
            &["dockerd", "--version"],
            &["docker", "--version"],
            &["unshare", "--net", "--mount", "--uts", "ip", "link", "set", "lo", "up"],
            &["nsenter", "--version"],
        ];
        needed.iter().all(|command| is_available(command))
    }

    /// Starts the engines, and builds the images on the manager.
    fn make() -> Stack {
        Stack::with_config(CONFIG)
    }
}

impl Stack {
    /// Starts the engines, and builds the images on the manager, for this configuration.
    pub fn with_config(config_yaml: &str) -> Stack {
        let engines = Engines::start();
        let config = engines.folder().join("config.yaml");
        fs::write(&config, config_yaml).expect("a file of our own");
        let stack = Stack { engines: RefCell::new(engines), config, readers: RefCell::default() };
        stack.script("build-images", &[]).succeeded();
        stack
    }

    /// Brings it to three replicas, on whichever nodes, while all nodes work; and to twelve clients, all of them on the
    /// manager.
    pub fn ready(&self) {
        if self.services().is_empty() {
            self.bring_up();
        }
        let nodes = "{{.Status}} {{.Availability}}";
        let all_work = || {
            let nodes = self.engine(1, &["node", "ls", "--format", nodes]);
            nodes.lines().filter(|node| *node == "Ready Active").count() == NODES
        };
        wait_until("all nodes at work", all_work);
        if self.replica_count() != REPLICAS {
            self.script("stack-scale", &[&REPLICAS.to_string()]).succeeded();
        }
        wait_until("all clients answered", || {
            let accounts = self.accounts();
            accounts.len() == CLIENTS && accounts.iter().all(|account| account.answered > 0)
        });
    }

    /// The account of each client. Panics unless every message of every client, from its first to its
    /// last, was answered once and rightly.
    pub fn accounts(&self) -> Vec<Account> {
        let name = format!("name=^{}\\.", self.named("client"));
        let list = ["ps", "--no-trunc", "--filter", &name, "--format", "{{.ID}}"];
        let mut containers: Vec<String> =
            self.engine(1, &list).lines().map(str::to_owned).collect();
        containers.sort();
        let mut readers = self.readers.borrow_mut();
        let account = |container: &String| {
            readers.entry(container.clone()).or_insert_with(|| self.reader(container)).account()
        };
        containers.iter().map(account).collect()
    }

    fn reader(&self, container: &str) -> Reader {
        let format = "{{.State.Pid}} {{.LogPath}}";
        let told = self.engine(1, &["inspect", "--format", format, container]);
        let (pid, log) = told.split_once(' ').expect("a process and a file");
        Reader::new(container, pid, log)
    }

    /// A worker that has a replica of the server, and so no client.
    pub fn worker_with_a_replica(&self) -> usize {
        let worker = || {
            let replicas = self.replicas();
            (2..=NODES).find(|number| replicas.contains_key(&format!("node{number}")))
        };
        worker().unwrap_or_else(|| {
            // Swarm never moves a replica that runs, but spreads those of an update.
            self.script("stack-update", &[]).succeeded();
            worker().unwrap_or_else(|| panic!("no replica on a worker: {:?}", self.replicas()))
        })
    }

    /// Starts the stack where it is not, with all clients on the manager.
    pub fn bring_up(&self) {
        self.spread_stack_images();
        self.script("stack-up", &["3", &CLIENTS.to_string()]).succeeded();
        let update = ["service", "update", "--detach", "--constraint-add", "node.hostname==node1"];
        self.engine(1, &[&update[..], &["--no-resolve-image", &self.named("client")]].concat());
    }

    /// What a user does who has no registry: brings the images to all nodes, as "stack-up" names them, by their
    /// sources.
    fn spread_stack_images(&self) {
        let images = ["echo-reactor", "echo-client"].map(|program| {
            let image = format!("{program}:{PREFIX}latest");
            let format = "{{index .Config.Labels \"echo-reactor.sources\"}}";
            let sources = self.engine(1, &["image", "inspect", "--format", format, &image]);
            let named = format!("{program}:{PREFIX}{sources}");
            self.engine(1, &["tag", &image, &named]);
            named
        });
        self.spread(&images.each_ref().map(String::as_str));
    }

    /// The services of the stack.
    pub fn services(&self) -> String {
        let filter = format!("label=com.docker.stack.namespace={}", self.name());
        self.engine(1, &["service", "ls", "--quiet", "--filter", &filter])
    }

    /// The stack's name.
    pub fn name(&self) -> String {
        format!("{PREFIX}echo-reactor")
    }

    /// Runs `docker/NAME.sh` on the manager.
    pub fn script(&self, name: &str, arguments: &[&str]) -> Output {
        run(self.on(1, &mut script(name, arguments)))
    }

    /// The same for another stack, whose images are on the manager alone.
    pub fn script_for_another(&self, name: &str) -> Output {
        run(self.on(1, &mut script(name, &[])).env("ECHO_PREFIX", "another-"))
    }

    fn on<'a>(&self, node: usize, command: &'a mut Command) -> &'a mut Command {
        command.env("DOCKER_HOST", self.engines.borrow().host(node));
        command.env("ECHO_CONFIG", &self.config).env("PULL_TIMEOUT", "0").env("ECHO_PREFIX", PREFIX)
    }

    /// Has an engine do something, and returns what it says.
    pub fn engine(&self, node: usize, arguments: &[&str]) -> String {
        let output = run(self.on(node, command("docker").args(arguments))).succeeded();
        output.text.trim_end().to_owned()
    }

    /// Changes the world: "kill 2", "start 2", "cut 3", "mend 3".
    pub fn world(&self, what: &str) {
        self.engines.borrow_mut().tell(what);
    }

    /// What a service or a network is called.
    pub fn named(&self, name: &str) -> String {
        format!("{}_{name}", self.name())
    }

    /// Copies an image of the manager to the workers.
    pub fn spread(&self, images: &[&str]) {
        let file = self.config.with_extension("tar");
        let file = file.to_str().expect("a plain path");
        self.engine(1, &[&["save", "--output", file], images].concat());
        for node in 2..=NODES {
            self.engine(node, &["load", "--quiet", "--input", file]);
        }
    }

    /// Makes an image of the server that does something else, on all nodes.
    pub fn image_that(&self, name: &str, entrypoint: &str) -> String {
        let image = format!("echo-reactor:{name}");
        let folder = self.config.with_file_name(name);
        fs::create_dir_all(&folder).expect("a directory of our own");
        let file = format!("FROM echo-reactor:{PREFIX}latest\nENTRYPOINT {entrypoint}\n");
        fs::write(folder.join("Dockerfile"), file).expect("a file of our own");
        let folder = folder.to_str().expect("a plain path");
        self.engine(1, &["build", "--quiet", "--tag", &image, folder]);
        self.spread(&[&image]);
        image
    }

    /// How many replicas of the server run on each node; those that do not count for nothing.
    pub fn replicas(&self) -> BTreeMap<String, usize> {
        let format = "{{.Node}} {{.CurrentState}}";
        let running = ["--filter", "desired-state=running", "--format", format];
        let server = self.named("server");
        let tasks = self.engine(1, &[&["service", "ps"], &running[..], &[&server]].concat());
        let mut nodes = BTreeMap::new();
        for line in tasks.lines() {
            let (node, state) = line.split_once(' ').expect("a node and a state");
            if state.starts_with("Running") {
                *nodes.entry(node.to_owned()).or_default() += 1;
            }
        }
        nodes
    }

    pub fn replica_count(&self) -> usize {
        self.replicas().values().sum()
    }

    /// The processes of the server's replicas.
    pub fn server_processes(&self) -> Vec<Pid> {
        let process = |(node, container): (usize, String)| {
            let pid = self.engine(node, &["inspect", "--format", "{{.State.Pid}}", &container]);
            pid.parse().ok().and_then(Pid::from_raw)
        };
        self.server_containers("running").into_iter().filter_map(process).collect()
    }

    /// What the replicas that have ended have said at last, and when, as far as their engines still know.
    pub fn last_lines(&self) -> String {
        let lines = |(node, container): (usize, String)| {
            let logs = ["logs", "--timestamps", "--tail", "3", &container];
            let told = run(self.on(node, command("docker").args(logs)));
            format!("node{node} {container}\n{}\n", told.text)
        };
        self.server_containers("exited").into_iter().map(lines).collect()
    }

    /// The server's containers that are in this state, each with the number of its node.
    fn server_containers(&self, status: &str) -> Vec<(usize, String)> {
        let service = format!("label=com.docker.swarm.service.name={}", self.named("server"));
        let status = format!("status={status}");
        let list = ["ps", "--all", "--quiet", "--filter", &service, "--filter", &status];
        let on = |node| {
            let containers = self.engine(node, &list);
            containers.lines().map(|id| (node, id.to_owned())).collect::<Vec<_>>()
        };
        (1..=NODES).flat_map(on).collect()
    }
}
