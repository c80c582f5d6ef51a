//! A document in Markdown: its headings, blocks, words of code, and links.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// English and Spanish.
pub(crate) const TWINS: [[&str; 2]; 3] = [
    ["README.md", "README.es.md"],
    ["docs/guide.md", "docs/guia.md"],
    ["docs/exercises.md", "docs/ejercicios.md"],
];

pub(crate) fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("a checkout")
}

pub(crate) struct Document {
    pub(crate) path: &'static str,
    pub(crate) sections: Vec<Section>,
}

/// A heading, and what stands between it and the next one.
#[derive(Default)]
pub(crate) struct Section {
    pub(crate) level: usize,
    pub(crate) title: String,
    pub(crate) blocks: Vec<Block>,
    /// What stands `between backticks`, how often.
    pub(crate) code: BTreeMap<String, usize>,
    /// The targets of links and pictures.
    pub(crate) links: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) language: String,
    /// Not every run has the same lines in the same order.
    pub(crate) varies: bool,
    pub(crate) lines: Vec<String>,
}

impl Document {
    pub(crate) fn read(path: &'static str) -> Document {
        let text = fs::read_to_string(checkout().join(path)).expect(path);
        let mut sections = vec![Section::default()];
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if let Some(information) = line.strip_prefix("```") {
                let lines = lines.by_ref().take_while(|line| *line != "```");
                let block = Block::new(information, lines);
                sections.last_mut().unwrap().blocks.push(block);
            } else if let Some((hashes, title)) = line.split_once(' ')
                && !hashes.is_empty()
                && hashes.chars().all(|c| c == '#')
            {
                let title = title.to_owned();
                sections.push(Section { level: hashes.len(), title, ..Section::default() });
                sections.last_mut().unwrap().add(line);
            } else {
                sections.last_mut().unwrap().add(line);
            }
        }
        Document { path, sections }
    }

    /// The place of a heading, by its anchor.
    fn place_of(&self, anchor: &str) -> Option<usize> {
        self.sections.iter().position(|section| section.anchor() == anchor)
    }

    /// What a link leads to, in words that are the same in both languages.
    pub(crate) fn meaning(&self, link: &str) -> String {
        if link.contains("://") {
            return link.to_owned();
        }
        let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
        let path = self.resolve(file);
        let twin = TWINS.iter().flatten().find(|twin| **twin == path);
        let name = TWINS.iter().find(|pair| pair.contains(&&*path)).map_or(&*path, |pair| pair[0]);
        let place = match twin {
            Some(twin) if !anchor.is_empty() => {
                let document = Document::read(twin);
                let place = document.place_of(anchor);
                place.unwrap_or_else(|| panic!("{}: no heading {link}", self.path)).to_string()
            }
            _ => anchor.to_owned(),
        };
        format!("{name}#{place}")
    }

    /// The path of a linked file, from the root of the checkout on.
    fn resolve(&self, file: &str) -> String {
        if file.is_empty() {
            return self.path.to_owned();
        }
        let place = Path::new(self.path).parent().expect("a directory").join(file);
        let found = checkout().join(place).canonicalize();
        let found = found.unwrap_or_else(|_| panic!("{}: {file} does not exist", self.path));
        found.strip_prefix(checkout()).expect("it is in the checkout").display().to_string()
    }
}

impl Section {
    fn add(&mut self, line: &str) {
        for (number, piece) in line.split('`').enumerate() {
            if number % 2 == 1 {
                *self.code.entry(piece.to_owned()).or_default() += 1;
            }
        }
        let targets = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        self.links.extend(targets.map(|(target, _)| target.to_owned()));
    }

    /// As GitHub makes it.
    fn anchor(&self) -> String {
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        let title = self.title.to_lowercase();
        title.chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect()
    }
}

impl Block {
    /// Comments of commands, and the words in a drawing, are in the reader's language.
    fn new<'a>(information: &str, lines: impl Iterator<Item = &'a str>) -> Block {
        let (language, more) = information.split_once(' ').unwrap_or((information, ""));
        let lines: Vec<String> = match language {
            "sh" => lines.map(without_comment).collect(),
            "mermaid" => lines.filter(|line| line.contains("-->")).map(arrows).collect(),
            _ => lines.map(str::to_owned).collect(),
        };
        Block { language: language.to_owned(), varies: more == "varies", lines }
    }
}

fn without_comment(line: &str) -> String {
    let line = if line.starts_with("# ") { "#" } else { line };
    line.split("  # ").next().unwrap_or_default().trim_end().to_owned()
}

/// The names that a line of a drawing connects, without the words on its arrows.
fn arrows(line: &str) -> String {
    let names = line.split("-->").map(|part| part.split("--").next().unwrap_or_default().trim());
    names.collect::<Vec<_>>().join(" ")
}
