//! As much of HTTP/1.1 as a page for a few people needs: a request is read, and one response ends the
//! connection. A peer that is slow, or sends more than a request, is refused.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

/// Browsers send about 1 KiB.
const REQUEST_MAX_BYTES: usize = 16 * 1024;
const HEADERS_MAX: usize = 100;
/// A request must be complete after this time.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// A peer that takes nothing for so long has lost its connection.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the peer may take to close its end, and how much it may still send meanwhile.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);
const CLOSE_MAX_BYTES: u64 = 64 * 1024;

/// Every response has these.
const COMMON_HEADERS: &str = "\
Connection: close\r\n\
Cache-Control: no-store\r\n\
Cross-Origin-Resource-Policy: same-origin\r\n\
Referrer-Policy: no-referrer\r\n\
X-Content-Type-Options: nosniff\r\n";

/// What a peer asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    /// With `HEAD` instead of `GET`: the body is left out.
    pub is_head: bool,
    /// The path, without what follows a question mark.
    pub path: String,
}

/// Why a request gets no answer of the kind that it asks for.
#[derive(Debug)]
pub enum Refusal {
    /// The peer is told.
    Told(Response),
    /// There is nobody to tell.
    Lost,
}

/// A whole response.
#[derive(Debug, PartialEq, Eq)]
pub struct Response {
    status: &'static str,
    extra_header: String,
    content_type: &'static str,
    body: String,
}

impl Response {
    /// What was asked for.
    #[must_use]
    pub fn ok(content_type: &'static str, body: String) -> Response {
        Response { status: "200 OK", extra_header: String::new(), content_type, body }
    }

    /// A page that runs only what has the mark `nonce`, and gets more from nowhere but this program.
    #[must_use]
    pub fn page(body: String, nonce: &str) -> Response {
        let extra_header = format!(
            "Content-Security-Policy: default-src 'none'; script-src 'nonce-{nonce}'; \
             style-src 'nonce-{nonce}'; img-src data:; connect-src 'self'; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'\r\n"
        );
        Response { extra_header, ..Response::ok("text/html; charset=utf-8", body) }
    }

    /// There is nothing under this path.
    #[must_use]
    pub fn not_found() -> Response {
        Response::error("404 Not Found", "there is nothing here: try /")
    }

    /// Too many peers are served already.
    #[must_use]
    pub fn busy(what: &str) -> Response {
        let extra_header = "Retry-After: 5\r\n".to_owned();
        Response { extra_header, ..Response::error("503 Service Unavailable", what) }
    }

    fn error(status: &'static str, what: &str) -> Response {
        let content_type = "text/plain; charset=utf-8";
        Response { status, ..Response::ok(content_type, format!("{what}\n")) }
    }
}

/// Reads a request.
///
/// # Errors
/// The request is no request, too long, too slow, or asks for what there is not.
pub fn read_request(socket: &mut TcpStream) -> Result<Request, Refusal> {
    let deadline = Instant::now() + REQUEST_TIMEOUT;
    let mut bytes = Vec::new();
    loop {
        match parse(&bytes)? {
            Some(request) => return Ok(request),
            None if bytes.len() >= REQUEST_MAX_BYTES => return Err(too_long()),
            None => read_some(socket, &mut bytes, deadline).map_err(|_| Refusal::Lost)?,
        }
    }
}

fn read_some(socket: &mut TcpStream, bytes: &mut Vec<u8>, deadline: Instant) -> io::Result<()> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(ErrorKind::TimedOut.into());
    }
    socket.set_read_timeout(Some(left))?;
    let mut part = [0; 2048];
    match socket.read(&mut part)? {
        0 => Err(ErrorKind::UnexpectedEof.into()),
        count => {
            bytes.extend_from_slice(&part[..count]);
            Ok(())
        }
    }
}

/// The request, if it is complete. A body would follow it; nobody needs one here.
fn parse(bytes: &[u8]) -> Result<Option<Request>, Refusal> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Partial) => return Ok(None),
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => return Err(too_long()),
        Err(error) => {
            let what = format!("this is no HTTP request: {error}");
            return Err(Refusal::Told(Response::error("400 Bad Request", &what)));
        }
    }
    let is_head = match request.method {
        Some("GET") => false,
        Some("HEAD") => true,
        _ => {
            let extra_header = "Allow: GET, HEAD\r\n".to_owned();
            let error = Response::error("405 Method Not Allowed", "use GET");
            return Err(Refusal::Told(Response { extra_header, ..error }));
        }
    };
    let target = request.path.unwrap_or_default();
    let path = target.split_once('?').map_or(target, |(path, _)| path).to_owned();
    Ok(Some(Request { is_head, path }))
}

fn too_long() -> Refusal {
    let what = "the request is too long";
    Refusal::Told(Response::error("431 Request Header Fields Too Large", what))
}

/// Sends a response, and ends the connection.
///
/// # Errors
/// The peer has gone, or does not read.
pub fn respond(mut socket: TcpStream, is_head: bool, response: &Response) -> io::Result<()> {
    let Response { status, extra_header, content_type, body } = response;
    let length = body.len();
    let mut bytes = format!(
        "HTTP/1.1 {status}\r\n{COMMON_HEADERS}{extra_header}\
         Content-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
    );
    if !is_head {
        bytes.push_str(body);
    }
    socket.set_write_timeout(Some(SEND_TIMEOUT))?;
    socket.write_all(bytes.as_bytes())?;
    // A close with input unread would destroy the response on its way.
    socket.shutdown(Shutdown::Write)?;
    socket.set_read_timeout(Some(CLOSE_TIMEOUT))?;
    io::copy(&mut socket.take(CLOSE_MAX_BYTES), &mut io::sink()).map(drop)
}

/// A response that goes on: server-sent events, as browsers read them.
#[derive(Debug)]
pub struct Events(TcpStream);

impl Events {
    /// Begins the response. `None` if no more of it was asked for.
    ///
    /// # Errors
    /// The peer has gone, or does not read.
    pub fn begin(mut socket: TcpStream, request: &Request) -> io::Result<Option<Events>> {
        socket.set_write_timeout(Some(SEND_TIMEOUT))?;
        socket.set_nodelay(true)?;
        let head =
            format!("HTTP/1.1 200 OK\r\n{COMMON_HEADERS}Content-Type: text/event-stream\r\n\r\n");
        socket.write_all(head.as_bytes())?;
        Ok((!request.is_head).then_some(Events(socket)))
    }

    /// Sends one event. `data` is one line.
    ///
    /// # Errors
    /// The peer has gone, or does not read.
    pub fn send(&mut self, event: &str, data: &str) -> io::Result<()> {
        debug_assert!(!data.contains('\n'), "{data:?}");
        self.0.write_all(format!("event: {event}\ndata: {data}\n\n").as_bytes())
    }

    /// Sends what a browser overlooks, to learn whether it is still there.
    ///
    /// # Errors
    /// The peer has gone, or does not read.
    pub fn keep_alive(&mut self) -> io::Result<()> {
        self.0.write_all(b":\n\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Option<(bool, String)>, &'static str> {
        match parse(text.as_bytes()) {
            Ok(request) => Ok(request.map(|request| (request.is_head, request.path))),
            Err(Refusal::Told(response)) => Err(response.status),
            Err(Refusal::Lost) => Err("lost"),
        }
    }

    #[test]
    fn requests() {
        let headers = "Host: x\r\n".repeat(HEADERS_MAX + 1);
        for (text, expected) in [
            ("", Ok(None)),
            ("GET / HTTP/1.1\r\nHost: x\r\n", Ok(None)),
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", Ok(Some((false, "/")))),
            ("GET / HTTP/1.0\n\n", Ok(Some((false, "/")))),
            ("HEAD /metrics?a=b?c HTTP/1.1\r\n\r\nbehind", Ok(Some((true, "/metrics")))),
            ("POST / HTTP/1.1\r\n\r\n", Err("405 Method Not Allowed")),
            ("get / HTTP/1.1\r\n\r\n", Err("405 Method Not Allowed")),
            ("GET / HTTP/2.0\r\n\r\n", Err("400 Bad Request")),
            ("\x16\x03\x01\x02\0\x01", Err("400 Bad Request")),
            ("watch\n", Err("400 Bad Request")),
            (
                &format!("GET / HTTP/1.1\r\n{headers}\r\n"),
                Err("431 Request Header Fields Too Large"),
            ),
        ] {
            let expected = expected.map(|some: Option<(bool, &str)>| {
                some.map(|(is_head, path)| (is_head, path.to_owned()))
            });
            assert_eq!(parsed(text), expected, "{text:?}");
        }
    }
}
