//! Checks the documents that users read against the declarations of the keys.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use echo_common::setting::Setting;
use echo_common::settings::Section;

/// Panics unless README's table has exactly the keys of this section, each with its default and its
/// sentence, and `config.yaml` has each with its default below its sentence and its limits.
pub fn assert_section_is_documented<S: Section>() {
    let mut section = S::default();
    let settings = section.settings();
    let rows: Vec<String> = settings.iter().map(|setting| row(S::NAME, setting)).collect();
    assert_eq!(rows_of(S::NAME, &document("README.md")), rows, "README.md");

    let file = document("config.yaml");
    let keys = keys_of(S::NAME, &file);
    assert_eq!(keys.len(), settings.len(), "keys of {} in config.yaml", S::NAME);
    for (setting, (comment, line)) in settings.iter().zip(keys) {
        let begin = format!("{} Allowed: {}", setting.sentence(), setting.allowed());
        let is_said = format!("{comment} ").starts_with(&format!("{begin} "));
        assert!(is_said, "config.yaml: {begin:?} should begin {comment:?}");
        assert_eq!(line, format!("{}: {}", setting.key(), setting.text()), "config.yaml");
    }
}

/// Panics unless every row of the promises names a test or a file, and each test that it names is a function of some test.
pub fn assert_promises_name_tests() {
    let mut functions = BTreeSet::new();
    collect_functions(&repository(), &mut functions);
    for row in document("docs/promises.md").lines().filter(|line| is_row_of_a_promise(line)) {
        let tests = row.trim_end_matches('|').rsplit('|').next().expect("a last column");
        let names: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        let is_reference = tests.trim() == "the same";
        assert!(!names.is_empty() || is_reference, "no test: {row}");
        for name in names.iter().filter(|name| !name.contains(['.', '/', '-', ' '])) {
            let function = name.rsplit("::").next().expect("a name");
            assert!(functions.contains(function), "there is no test {name}: {row}");
        }
    }
}

/// A row of three columns, but not the head of a table.
fn is_row_of_a_promise(line: &str) -> bool {
    line.starts_with("| ") && line.split(" | ").count() >= 3 && !line.ends_with(" | test |")
}

/// The names of all functions in the sources of this directory.
fn collect_functions(directory: &Path, functions: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            collect_functions(&path, functions);
        } else if name.ends_with(".rs") {
            let source = fs::read_to_string(&path).expect("a source");
            let named = source.split("fn ").skip(1);
            functions.extend(named.filter_map(|rest| Some(rest.split_once('(')?.0.to_owned())));
        }
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A document of this repository.
pub(crate) fn document(name: &str) -> String {
    fs::read_to_string(repository().join(name)).expect(name)
}

fn row(section: &str, setting: &Setting<'_>) -> String {
    let (key, default, sentence) = (setting.key(), setting.text(), setting.sentence());
    format!("| `{section}.{key}` | `{default}` | {sentence} |")
}

/// The rows of README's table for the keys of a section.
fn rows_of<'a>(section: &str, readme: &'a str) -> Vec<&'a str> {
    let begin = format!("| `{section}.");
    readme.lines().filter(|line| line.starts_with(&begin)).collect()
}

/// The keys of a section of the file: the words of the comment above, and the line itself.
fn keys_of<'a>(section: &str, file: &'a str) -> Vec<(String, &'a str)> {
    let begin = format!("{section}:");
    let lines = file.lines().skip_while(|line| *line != begin).skip(1);
    let lines = lines.take_while(|line| line.is_empty() || line.starts_with(' ')).map(str::trim);
    let mut keys = Vec::new();
    let mut comment = Vec::new();
    for line in lines {
        match line.strip_prefix("# ") {
            Some(words) => comment.push(words),
            None if line.is_empty() => comment.clear(),
            None => keys.push((std::mem::take(&mut comment).join(" "), line)),
        }
    }
    keys
}
