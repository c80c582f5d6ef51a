//! The page, in one piece: a browser that has it has all of it, whatever happens to its network.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use crate::http::Response;

const HTML: &str = include_str!("../page/page.html");
const STYLE: &str = include_str!("../page/page.css");
const ICON: &str = include_str!("../page/icon.svg");

/// Each uses only those before it.
const SCRIPTS: [&str; 11] = [
    include_str!("../page/format.js"),
    include_str!("../page/patterns.js"),
    include_str!("../page/circle.js"),
    include_str!("../page/drain.js"),
    include_str!("../page/facts.js"),
    include_str!("../page/counters.js"),
    include_str!("../page/servers.js"),
    include_str!("../page/states.js"),
    include_str!("../page/strip.js"),
    include_str!("../page/follow.js"),
    include_str!("../page/page.js"),
];

/// The page with all its parts. The mark that its style and its scripts need is left open.
static WHOLE: LazyLock<String> = LazyLock::new(|| {
    let icon = ICON.trim().replace('#', "%23").replace('"', "'").replace('\n', "");
    let parts = [("{icon}", icon), ("{style}", STYLE.to_owned()), ("{script}", SCRIPTS.join("\n"))];
    parts.iter().fold(HTML.to_owned(), |page, (place, part)| page.replace(place, part))
});

/// The page for one request.
#[must_use]
pub fn response() -> Response {
    // What has not this mark, which nobody can guess, is no part of the page and does not run.
    let nonce = format!("{:016x}{:016x}", random(), random());
    let page = WHOLE.replace("{nonce}", &nonce);
    Response::page(page, &nonce)
}

/// Each state has keys of its own.
fn random() -> u64 {
    RandomState::new().hash_one(0)
}
