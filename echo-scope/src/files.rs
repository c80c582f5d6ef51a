//! The files of the page, which are part of the program.

use crate::http::Response;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// Path, type, content.
const FILES: &[(&str, &str, &str)] = &[
    ("/", HTML, include_str!("../page/page.html")),
    ("/page.css", CSS, include_str!("../page/page.css")),
    ("/icon.svg", SVG, include_str!("../page/icon.svg")),
    ("/page.js", SCRIPT, include_str!("../page/page.js")),
    ("/circle.js", SCRIPT, include_str!("../page/circle.js")),
    ("/strip.js", SCRIPT, include_str!("../page/strip.js")),
    ("/states.js", SCRIPT, include_str!("../page/states.js")),
    ("/follow.js", SCRIPT, include_str!("../page/follow.js")),
    ("/drain.js", SCRIPT, include_str!("../page/drain.js")),
    ("/servers.js", SCRIPT, include_str!("../page/servers.js")),
    ("/facts.js", SCRIPT, include_str!("../page/facts.js")),
    ("/counters.js", SCRIPT, include_str!("../page/counters.js")),
    ("/patterns.js", SCRIPT, include_str!("../page/patterns.js")),
    ("/words.js", SCRIPT, include_str!("../page/words.js")),
];

/// The file under this path.
#[must_use]
pub fn find(path: &str) -> Option<Response> {
    let (_, content_type, content) = FILES.iter().find(|(its_path, ..)| *its_path == path)?;
    Some(Response::ok(content_type, *content))
}
