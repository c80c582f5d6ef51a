//! Checks the documents that users read against the declarations of the keys.

use std::fs;
use std::path::Path;

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

/// A document of this repository.
pub(crate) fn document(name: &str) -> String {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::read_to_string(repository.join(name)).expect(name)
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
