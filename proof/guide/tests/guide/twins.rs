//! The documents that exist in English and in Spanish say the same, section by section. What only a reader can judge is
//! the words in between.

use crate::document::{Document, Section, TWINS};

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
