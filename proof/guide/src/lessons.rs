//! The lessons: each plays one scene with a real server on this machine, and prints what happened.

use std::io;
use std::path::PathBuf;

use echo_harness::server::Setup;

mod back_pressure;
mod connection;
mod crowd;
mod drain;
mod edge;
mod ends;
mod follow;
mod neighbours;

/// Where the programs are, and how long it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cast {
    /// The program of the server.
    pub(crate) reactor: PathBuf,
    /// The directory of the other servers.
    pub(crate) peers: PathBuf,
    /// How many connections the largest crowd has.
    pub(crate) connections: u32,
}

impl Cast {
    /// Our server, as `Setup::of` has it.
    fn server(&self) -> io::Result<Setup> {
        Ok(Setup::of(exists(&self.reactor)?))
    }

    /// Another server, of `proof/bench/peers`.
    fn other(&self, name: &str) -> io::Result<PathBuf> {
        exists(&self.peers.join(name)).cloned()
    }
}

fn exists(program: &PathBuf) -> io::Result<&PathBuf> {
    let is_there = program.is_file();
    is_there.then_some(program).ok_or_else(|| {
        io::Error::other(format!("{} is not built: make lesson builds it", program.display()))
    })
}

struct Lesson {
    /// Of the guide.
    chapter: usize,
    title: &'static str,
    play: fn(&Cast) -> io::Result<()>,
}

const LESSONS: [Lesson; 8] = [
    Lesson { chapter: 1, title: "One connection", play: connection::play },
    Lesson { chapter: 2, title: "The same, from inside", play: follow::play },
    Lesson { chapter: 3, title: "An edge tells once", play: edge::play },
    Lesson { chapter: 4, title: "Back-pressure", play: back_pressure::play },
    Lesson { chapter: 5, title: "Half-close and linger", play: ends::play },
    Lesson { chapter: 6, title: "One thread, many clients", play: crowd::play },
    Lesson { chapter: 7, title: "A slow neighbour", play: neighbours::play },
    Lesson { chapter: 8, title: "SIGTERM with everything at once", play: drain::play },
];

/// The chapters that have a lesson.
pub(crate) fn chapters() -> impl Iterator<Item = usize> {
    LESSONS.iter().map(|lesson| lesson.chapter)
}

/// Plays the lesson of a chapter that has one.
pub(crate) fn play(chapter: usize, cast: &Cast) -> io::Result<()> {
    let is_it = |lesson: &&Lesson| lesson.chapter == chapter;
    let lesson = LESSONS.iter().find(is_it).expect("the command line takes no other chapter");
    println!("Chapter {chapter}: {}\n", lesson.title);
    (lesson.play)(cast)
}
