//! Who listens for browsers: a thread for each connection, and a limit to their number.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::board::Board;
use crate::http::{self, Events, Refusal, Request, Response};
use crate::places::Places;
use crate::{events, follow, log_events, metrics, page, threads};

/// A connection takes a thread, with 256 KiB of address space.
const CONNECTIONS_MAX: usize = 64;
/// Readers of events stay, so they leave places for the others.
const EVENTS_MAX: usize = 40;
/// Each is a reader of a server's status port, which has eight places.
const FOLLOWS_MAX: usize = 4;
/// Wait after an `accept` that failed: some causes stay for a while.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What all connections share.
struct Site {
    board: Arc<Board>,
    connections: Places,
    events: Places,
    follows: Places,
}

/// Serves the page from now on.
///
/// # Errors
/// The system has no thread left.
pub fn start(listener: TcpListener, board: Arc<Board>) -> io::Result<()> {
    let site = Site {
        board,
        connections: Places::new(CONNECTIONS_MAX),
        events: Places::new(EVENTS_MAX),
        follows: Places::new(FOLLOWS_MAX),
    };
    threads::start("accept", move || accept(&listener, &Arc::new(site)))
}

fn accept(listener: &TcpListener, site: &Arc<Site>) -> ! {
    loop {
        match listener.accept() {
            Ok((socket, _)) => welcome(socket, site),
            Err(error) => {
                log_events::cannot_accept(&error);
                thread::sleep(ACCEPT_PAUSE);
            }
        }
    }
}

/// A connection for which there is no place is closed: its browser tries again.
fn welcome(socket: TcpStream, site: &Arc<Site>) {
    let Some(place) = site.connections.take() else { return };
    let site = Arc::clone(site);
    let serve = move || {
        let _place = place;
        // A browser that has gone needs no answer.
        let _ = serve(socket, &site);
    };
    if let Err(error) = threads::start("serve", serve) {
        log_events::no_thread(&error);
    }
}

fn serve(mut socket: TcpStream, site: &Site) -> io::Result<()> {
    match http::read_request(&mut socket) {
        Ok(request) => answer(socket, &request, site),
        Err(Refusal::Told(response)) => http::respond(socket, false, &response),
        Err(Refusal::Lost) => Ok(()),
    }
}

fn answer(socket: TcpStream, request: &Request, site: &Site) -> io::Result<()> {
    let path = request.path.as_str();
    let response = match path {
        "/" => page::response(),
        "/events" => return send_events(socket, request, site, None),
        "/metrics" => Response::ok(metrics::CONTENT_TYPE, metrics::text(&site.board.read())),
        _ => {
            if let Some(address) = server_in(path, "/events/", site) {
                return send_events(socket, request, site, Some(address));
            }
            if let Some(address) = server_in(path, "/follow/", site) {
                return send_steps(socket, request, site, address);
            }
            Response::not_found()
        }
    };
    http::respond(socket, request.is_head, &response)
}

/// The server that a path names. Only servers on the board: a page must not reach others through here.
fn server_in(path: &str, before: &str, site: &Site) -> Option<SocketAddr> {
    let address = path.strip_prefix(before)?.parse().ok()?;
    site.board.read().servers.contains_key(&address).then_some(address)
}

fn send_events(
    socket: TcpStream,
    request: &Request,
    site: &Site,
    server: Option<SocketAddr>,
) -> io::Result<()> {
    let Some(_place) = site.events.take() else {
        return http::respond(socket, request.is_head, &Response::busy("too many pages are open"));
    };
    match Events::begin(socket, request)? {
        Some(mut events) => events::send(&mut events, &site.board, server),
        None => Ok(()),
    }
}

fn send_steps(
    socket: TcpStream,
    request: &Request,
    site: &Site,
    server: SocketAddr,
) -> io::Result<()> {
    let Some(_place) = site.follows.take() else {
        let busy = Response::busy("too many connections are followed");
        return http::respond(socket, request.is_head, &busy);
    };
    match Events::begin(socket, request)? {
        Some(mut events) => follow::send(&mut events, server),
        None => Ok(()),
    }
}
