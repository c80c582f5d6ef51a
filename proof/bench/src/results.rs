//! What a run leaves behind: `results.json`, from which tables, plots and documents are made.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::cpu::CpuTime;

/// A way to load a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Workload {
    /// One message onto every connection of a stopped server, then on.
    Stopped,
    /// The same, beside idle connections or without them.
    Beside,
    /// The next message when the reply is here.
    Closed,
    /// Messages at a given rate.
    Open,
    /// Connect, one message, end.
    Oneshot,
    /// Connections with a message each, queued before a stopped server.
    Burst,
    /// Silent connections and a sample that echoes.
    Idle,
    /// Many connections on a simulated kernel.
    Crowd,
    /// From the start of the process to listening.
    Start,
    /// From SIGTERM to the end of the process, with idle connections.
    Stop,
}

impl Workload {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Stopped,
        Self::Beside,
        Self::Closed,
        Self::Open,
        Self::Oneshot,
        Self::Burst,
        Self::Idle,
        Self::Crowd,
        Self::Start,
        Self::Stop,
    ];

    /// The name on the command line and in results.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Beside => "beside",
            Self::Closed => "closed",
            Self::Open => "open",
            Self::Oneshot => "oneshot",
            Self::Burst => "burst",
            Self::Idle => "idle",
            Self::Crowd => "crowd",
            Self::Start => "start",
            Self::Stop => "stop",
        }
    }
}

/// What was measured, but for the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Case {
    /// The way of loading.
    pub workload: Workload,
    /// Connections that talk, at a time.
    pub connections: usize,
    /// Bytes of a line, the `\n` included.
    pub message_bytes: usize,
    /// Connections that say nothing.
    pub idle_connections: usize,
}

/// One measurement of one server in one round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The server's name.
    pub server: String,
    /// The round, from 0: ratios are taken between servers of the same round.
    pub round: u32,
    /// What was measured.
    #[serde(flatten)]
    pub case: Case,
    /// Messages that were answered, each checked byte for byte.
    pub messages: u64,
    /// How long it took.
    pub seconds: f64,
    /// The server's processor time for it.
    pub cpu: CpuTime,
    /// What the clients saw, where they were not held up on purpose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
    /// The server's resident memory in bytes, with idle connections; of a crowd, what its
    /// connections added to it at the most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resident_bytes: Option<u64>,
    /// Messages per second that were meant to leave, in the open loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_per_second: Option<f64>,
    /// Messages that had no answer in the end, in the open loop.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unanswered: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature.
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Sample {
    /// The server's processor time per message, in microseconds.
    #[must_use]
    pub fn cpu_us_per_message(&self) -> f64 {
        per(self.cpu.total_ns, self.messages) / 1000.0
    }

    /// Messages per second.
    #[must_use]
    pub fn messages_per_second(&self) -> f64 {
        as_f64(self.messages) / self.seconds
    }
}

/// A quotient of counts.
#[must_use]
pub fn per(amount: u64, of: u64) -> f64 {
    as_f64(amount) / as_f64(of)
}

/// A count as a number to calculate with; exact up to 2^53.
#[must_use]
#[allow(clippy::cast_precision_loss)]
pub fn as_f64(count: u64) -> f64 {
    count as f64
}

/// Quantiles of a latency, in microseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// The median.
    pub p50_us: f64,
    /// 99 of 100 are not above it.
    pub p99_us: f64,
    /// 999 of 1000 are not above it.
    pub p999_us: f64,
    /// The longest.
    pub max_us: f64,
    /// `[quantile, microseconds]`, for the plot of the whole distribution.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curve: Vec<[f64; 2]>,
}

/// The quantiles of a curve: denser towards the tail, where the interest is.
pub const CURVE_QUANTILES: [f64; 16] = [
    0.0, 0.25, 0.5, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9998,
    0.9999,
];

impl Latency {
    /// Reads the quantiles off a histogram of nanoseconds.
    #[must_use]
    pub fn of(histogram: &Histogram<u64>, with_curve: bool) -> Self {
        let microseconds = |quantile| as_f64(histogram.value_at_quantile(quantile)) / 1000.0;
        let point = |quantile: f64| [quantile, microseconds(quantile)];
        Self {
            p50_us: microseconds(0.5),
            p99_us: microseconds(0.99),
            p999_us: microseconds(0.999),
            max_us: as_f64(histogram.max()) / 1000.0,
            curve: if with_curve { CURVE_QUANTILES.map(point).to_vec() } else { Vec::new() },
        }
    }
}

/// System calls of one server for one case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SystemCalls {
    /// The server's name.
    pub server: String,
    /// What it did.
    #[serde(flatten)]
    pub case: Case,
    /// Messages that were answered meanwhile.
    pub messages: u64,
    /// Calls by name.
    pub calls: BTreeMap<String, u64>,
}

/// A server of the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// Its name.
    pub name: String,
    /// What it is.
    pub about: String,
    /// Why it was not measured, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}

/// Where and when the run was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// When it began, UTC.
    pub date: String,
    /// Whether it was the short form, which is good for a look and not for a claim.
    pub quick: bool,
    /// The machine and what it runs: name and value.
    pub machine: Vec<[String; 2]>,
    /// Versions of what the servers are made of: name and value.
    pub versions: Vec<[String; 2]>,
    /// What was left out or went wrong, in sentences.
    pub notes: Vec<String>,
}

impl About {
    /// A run that begins now.
    #[must_use]
    pub fn now(quick: bool) -> Self {
        Self {
            date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            quick,
            machine: Vec::new(),
            versions: Vec::new(),
            notes: Vec::new(),
        }
    }
}

/// Everything that a run found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// Where and when.
    pub about: About,
    /// All servers, in the order of the tables.
    pub servers: Vec<Server>,
    /// All measurements.
    pub samples: Vec<Sample>,
    /// System calls, counted apart from the measurements.
    pub system_calls: Vec<SystemCalls>,
}

impl Results {
    /// Reads what [`Self::write`] wrote.
    ///
    /// # Errors
    /// When the file can't be read or is not a result.
    pub fn read(path: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(path)?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Writes JSON with one sample a line, which is short and still has readable differences.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        fs::write(path, self.to_json()?)
    }

    fn to_json(&self) -> io::Result<String> {
        let mut text = format!("{{\n\"about\": {},\n", serde_json::to_string_pretty(&self.about)?);
        push_list(&mut text, "servers", &self.servers)?;
        text.push_str(",\n");
        push_list(&mut text, "samples", &self.samples)?;
        text.push_str(",\n");
        push_list(&mut text, "system_calls", &self.system_calls)?;
        text.push_str("\n}\n");
        Ok(text)
    }
}

fn push_list<T: Serialize>(text: &mut String, name: &str, items: &[T]) -> io::Result<()> {
    let lines: Result<Vec<String>, _> = items.iter().map(serde_json::to_string).collect();
    let lines = lines?.join(",\n");
    write!(text, "\"{name}\": [\n{lines}\n]").map_err(io::Error::other)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A sample of 1,000 messages in one second.
    pub(crate) fn sample(server: &str, case: Case, round: u32, cpu_us: f64) -> Sample {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let total_ns = (cpu_us * 1e6) as u64;
        Sample {
            server: server.into(),
            round,
            case,
            messages: 1000,
            seconds: 1.0,
            cpu: CpuTime { total_ns, ..CpuTime::default() },
            latency: None,
            resident_bytes: None,
            rate_per_second: None,
            unanswered: 0,
        }
    }

    pub(crate) const BURST: Case = Case {
        workload: Workload::Burst,
        connections: 500,
        message_bytes: 64,
        idle_connections: 0,
    };

    #[test]
    fn results_survive_their_file() {
        let mut histogram = Histogram::<u64>::new(3).unwrap();
        histogram.record_n(5_000, 999).unwrap();
        histogram.record(1_000_000).unwrap();
        let results = Results {
            about: About {
                date: "2026-01-02T03:04:05Z".into(),
                quick: true,
                machine: vec![["kernel".into(), "6".into()]],
                versions: vec![],
                notes: vec!["a \"note\"".into()],
            },
            servers: vec![],
            samples: vec![
                sample("a", BURST, 0, 17.5),
                Sample {
                    latency: Some(Latency::of(&histogram, true)),
                    ..sample("b", BURST, 1, 2.0)
                },
            ],
            system_calls: vec![SystemCalls {
                server: "a".into(),
                case: BURST,
                messages: 10,
                calls: [("read".to_string(), 10)].into(),
            }],
        };
        let text = results.to_json().unwrap();
        let read: Results = serde_json::from_str(&text).unwrap();
        assert_eq!(read, results);
        assert_eq!(text.lines().filter(|line| line.contains("\"round\"")).count(), 2);
    }

    #[test]
    fn quantiles_are_in_microseconds() {
        let mut histogram = Histogram::<u64>::new(3).unwrap();
        histogram.record_n(5_000, 99).unwrap();
        histogram.record(1_000_000).unwrap();
        let latency = Latency::of(&histogram, false);
        assert!((latency.p50_us - 5.0).abs() < 0.01);
        assert!((latency.max_us - 1000.0).abs() < 1.0);
        assert!(latency.curve.is_empty());
    }

    #[test]
    fn a_sample_knows_its_quotients() {
        let sample = sample("a", BURST, 0, 17.5);
        assert!((sample.cpu_us_per_message() - 17.5).abs() < 1e-9);
        assert!((sample.messages_per_second() - 1000.0).abs() < 1e-9);
    }
}
