//! The documents that exist in English and in Spanish say the same: the same headings, commands, keys and links,
//! section by section. What can only be judged by a reader is the words between them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// English and Spanish.
const TWINS: [[&str; 2]; 3] = [
    ["README.md", "README.es.md"],
    ["docs/guide.md", "docs/guia.md"],
    ["docs/exercises.md", "docs/ejercicios.md"],
];

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("a checkout")
}

struct Document {
    path: &'static str,
    sections: Vec<Section>,
}

/// A heading, and what stands between it and the next one.
#[derive(Default)]
struct Section {
    level: usize,
    title: String,
    blocks: Vec<Block>,
    /// What stands `between backticks`, how often.
    code: BTreeMap<String, usize>,
    /// The targets of links and pictures.
    links: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
struct Block {
    language: String,
    lines: Vec<String>,
}

impl Document {
    fn read(path: &'static str) -> Document {
        let text = fs::read_to_string(checkout().join(path)).expect(path);
        let mut sections = vec![Section::default()];
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if let Some(language) = line.strip_prefix("```") {
                let lines = lines.by_ref().take_while(|line| *line != "```");
                let block = Block::new(language, lines);
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
    fn meaning(&self, link: &str) -> String {
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
    fn new<'a>(language: &str, lines: impl Iterator<Item = &'a str>) -> Block {
        let lines: Vec<String> = match language {
            "sh" => lines.map(without_comment).collect(),
            "mermaid" => lines.filter(|line| line.contains("-->")).map(arrows).collect(),
            _ => lines.map(str::to_owned).collect(),
        };
        Block { language: language.to_owned(), lines }
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

#[test]
fn the_documents_in_two_languages_have_the_same_headings_commands_keys_and_links() {
    for [english, spanish] in TWINS.map(|pair| pair.map(Document::read)) {
        let levels = |document: &Document| -> Vec<usize> {
            document.sections.iter().map(|section| section.level).collect()
        };
        assert_eq!(levels(&english), levels(&spanish), "headings of {}", spanish.path);
        for (one, other) in english.sections.iter().zip(&spanish.sections) {
            let place = format!("{}, {}", spanish.path, other.title);
            assert_eq!(one.blocks, other.blocks, "blocks: {place}");
            assert_eq!(one.code, other.code, "words in backticks: {place}");
            let meanings = |document: &Document, section: &Section| {
                let mut links: Vec<_> =
                    section.links.iter().map(|link| document.meaning(link)).collect();
                links.sort();
                links
            };
            assert_eq!(meanings(&english, one), meanings(&spanish, other), "links: {place}");
        }
    }
}
