//! A real browser: Chromium without a window, driven through its driver, in W3C's protocol.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use echo_harness::child::OwnedChild;
use echo_harness::command::is_available;
use echo_harness::wait::{self, PATIENCE, try_until};
use rustix::process::{Signal, kill_process_group};
use serde_json::{Value, json};
use ureq::Agent;

/// A browser with one page. Dropping it ends all its processes.
pub(crate) struct Browser {
    driver: OwnedChild,
    agent: Agent,
    /// The session, as an address.
    session: String,
}

/// How a page is looked at.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) is_dark: bool,
}

impl Browser {
    /// `None`, after a line that says so, where there is no browser.
    pub(crate) fn open() -> Option<Browser> {
        if !is_available(&["chromedriver", "--version"]) {
            return None;
        }
        let (driver, port) = wait::until_some("a driver with a port", start_driver);
        let config = Agent::config_builder().http_status_as_error(false).build();
        let session = format!("http://127.0.0.1:{port}/session");
        let mut browser = Browser { driver, agent: config.into(), session };
        let id = browser.command(
            "",
            &json!({"capabilities": {"alwaysMatch": {
                "goog:loggingPrefs": {"browser": "ALL"},
                "goog:chromeOptions": {"args": [
                    "--headless=new", "--hide-scrollbars", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
                ]},
            }}}),
        );
        browser.session.push('/');
        browser.session.push_str(id["sessionId"].as_str().expect("a session"));
        Some(browser)
    }

    fn command(&self, path: &str, body: &Value) -> Value {
        self.try_command(path, body).unwrap_or_else(|error| panic!("{path} {body}: {error:#}"))
    }

    fn try_command(&self, path: &str, body: &Value) -> Result<Value, Value> {
        let address = format!("{}{path}", self.session);
        let mut reply = self.agent.post(&address).send_json(body).expect("the driver answers");
        let mut reply: Value = reply.body_mut().read_json().expect("JSON");
        let value = reply["value"].take();
        if value["error"].is_null() { Ok(value) } else { Err(value) }
    }

    /// A command for the developer's tools.
    fn tools(&self, command: &str, parameters: &Value) -> Value {
        self.command("/goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    /// Opens the page. A browser breaks off all its connections when the host gets or loses a network, as it
    /// does when containers start elsewhere.
    pub(crate) fn go(&self, port: u16) {
        let url = json!({"url": format!("http://127.0.0.1:{port}/")});
        wait::until("the page", || self.try_command("/url", &url).is_ok());
    }

    /// Sets size and colours, and the wish for less motion.
    pub(crate) fn look(&self, look: Look) {
        let Look { width, height, is_dark } = look;
        let size =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.tools("Emulation.setDeviceMetricsOverride", &size);
        let scheme = if is_dark { "dark" } else { "light" };
        self.media("prefers-color-scheme", scheme);
    }

    /// Sets what the user prefers.
    pub(crate) fn media(&self, name: &str, value: &str) {
        let features = json!({"features": [{"name": name, "value": value}]});
        self.tools("Emulation.setEmulatedMedia", &features);
    }

    /// Runs the body of a function in the page.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.command("/execute/sync", &json!({"script": script, "args": []}))
    }

    /// The text of the first element that the selector finds.
    pub(crate) fn text(&self, selector: &str) -> String {
        let text = self.run(&format!("return document.querySelector({selector:?}).textContent"));
        text.as_str().expect("a text").to_owned()
    }

    /// Waits until an expression is true.
    pub(crate) fn until(&self, what: &str, expression: &str) {
        let look = || self.run(&format!("return Boolean({expression})")) == true;
        let seen = try_until(what, PATIENCE, || Ok::<_, io::Error>(look().then_some(())));
        if let Err(error) = seen {
            let text = self.run("return document.body?.innerText");
            panic!("{error}; the page shows {text:#}\nand its console {:#?}", self.console());
        }
    }

    /// Waits until an element has a text that contains `part`.
    pub(crate) fn until_text(&self, selector: &str, part: &str) {
        let find = format!("document.querySelector({selector:?})?.textContent.includes({part:?})");
        self.until(&format!("{part:?} in {selector}"), &find);
    }

    pub(crate) fn click(&self, selector: &str) {
        let find = json!({"using": "css selector", "value": selector});
        let found = self.command("/element", &find);
        let id =
            found.as_object().and_then(|found| found.values().next()?.as_str()).expect("an id");
        self.command(&format!("/element/{id}/click"), &json!({}));
    }

    /// Presses and releases keys, by their places in the driver's table.
    pub(crate) fn press(&self, key: char) {
        let actions = json!([{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]);
        let keyboard = json!({"actions": [{"type": "key", "id": "keys", "actions": actions}]});
        self.command("/actions", &keyboard);
    }

    /// What the console has got since the last call: errors and warnings, but for those of [`Browser::go`].
    pub(crate) fn console(&self) -> Vec<String> {
        let entries = self.command("/se/log", &json!({"type": "browser"}));
        let entries = entries.as_array().expect("entries").iter().map(ToString::to_string);
        entries.filter(|entry| !entry.contains("net::ERR_NETWORK_CHANGED")).collect()
    }

    /// Saves a picture of the whole page.
    pub(crate) fn save_picture(&self, path: &Path) {
        let parameters = json!({"format": "png", "captureBeyondViewport": true});
        let picture = self.tools("Page.captureScreenshot", &parameters);
        let picture = picture["data"].as_str().expect("a picture");
        fs::write(path, BASE64_STANDARD.decode(picture).expect("base64")).expect("a file");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Its files in the temporary directory go with the session.
        let _ = self.agent.delete(&self.session).call();
        let _ = kill_process_group(self.driver.pid(), Signal::KILL);
    }
}

/// Starts a driver. `None` if it ended without a port: it takes a free one of `::1`, and ends if another program
/// has that one on 127.0.0.1.
fn start_driver() -> Option<(OwnedChild, u16)> {
    let mut command = Command::new("chromedriver");
    // A group of its own, so that it is ended together with its browser.
    command.arg("--port=0").process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut driver = OwnedChild::spawn(&mut command).expect("it works");
    let port = port_in(BufReader::new(driver.stdout().expect("a pipe")))?;
    Some((driver, port))
}

/// The port that the driver says it has.
fn port_in(output: impl BufRead) -> Option<u16> {
    let mut lines = output.lines().map(|line| line.expect("text"));
    lines.find_map(|line| {
        line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse().ok()
    })
}
