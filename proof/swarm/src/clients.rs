//! The clients' account: they number their messages, accept only the right reply, and log each.

use std::fs;

use crate::stack::Stack;

/// What one client has done, by its log and by its kernel.
#[derive(Clone, Debug)]
pub struct Account {
    /// The container. Another one is another life.
    container: String,
    /// How many messages were answered: each once, rightly, and in order.
    pub answered: usize,
    /// How many tries had no answer.
    pub tried_again: usize,
    /// How many connections were refused, or led nowhere.
    pub refused: u64,
}

impl Stack {
    /// The account of each client. Panics unless every message of every client, from its first to its
    /// last, was answered once and rightly.
    pub fn accounts(&self) -> Vec<Account> {
        let format = "{{.ID}}";
        let name = format!("name=^{}\\.", self.named("client"));
        let list = ["ps", "--no-trunc", "--filter", &name, "--format", format];
        let containers = self.engine(1, &list);
        let mut accounts: Vec<Account> = containers.lines().map(|id| self.account(id)).collect();
        accounts.sort_by(|one, other| one.container.cmp(&other.container));
        accounts
    }

    fn account(&self, container: &str) -> Account {
        let log = self.engine(1, &["logs", container]);
        let mut answered = 0;
        for line in log.lines().filter(|line| line.contains("Message from server: ")) {
            answered += 1;
            let (_, reply) = line.split_once("Message from server: ").expect("a reply");
            let end = format!("Message number {answered} sent");
            assert!(reply.ends_with(&end), "no answer, or two: {end:?} was expected\n{line}");
        }
        for mistake in ["Wrong reply", " given up", " ERROR "] {
            assert!(!log.contains(mistake), "{mistake} in\n{log}");
        }
        let tried_again = log.lines().filter(|line| line.contains(" not answered by ")).count();
        let pid = self.engine(1, &["inspect", "--format", "{{.State.Pid}}", container]);
        let refused = failed_attempts(&pid);
        Account { container: container.to_owned(), answered, tried_again, refused }
    }
}

/// How many attempts to connect have failed in the network of a process.
fn failed_attempts(pid: &str) -> u64 {
    let table = fs::read_to_string(format!("/proc/{pid}/net/snmp")).expect("the process runs");
    let mut tcp = table.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let (names, values) = (tcp.next().expect("names"), tcp.next().expect("values"));
    let mut pairs = names.split(' ').zip(values.split(' '));
    let (_, value) = pairs.find(|(name, _)| *name == "AttemptFails").expect("a counter");
    value.parse().expect("a number")
}

impl Account {
    /// What has happened between two looks at the same clients. Panics if one of them has ended
    /// meanwhile, or if one has got no answer at all.
    pub fn since(before: &[Account], now: &[Account]) -> Account {
        let ids = |accounts: &[Account]| -> Vec<String> {
            accounts.iter().map(|account| account.container.clone()).collect()
        };
        assert_eq!(ids(before), ids(now), "a client has ended");
        let mut sum = Account { container: String::new(), answered: 0, tried_again: 0, refused: 0 };
        for (before, now) in before.iter().zip(now) {
            assert!(now.answered > before.answered, "no answer since: {before:?}, {now:?}");
            sum.answered += now.answered - before.answered;
            sum.tried_again += now.tried_again - before.tried_again;
            sum.refused += now.refused - before.refused;
        }
        sum
    }
}
