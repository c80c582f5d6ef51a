//! What the loop does for a message, where only its own code can tell.

use super::*;
use crate::config::{Config, Timeouts};
use crate::scripted::{Input, ScriptedKernel};

const IDLE: Duration = Duration::from_secs(60);
const MILLISECOND: Duration = Duration::from_millis(1);

/// The kernel is told when the loop has to wake up, which is the moment of the next check. A message
/// leaves it where it is, although it puts the connection's deadline off.
#[test]
fn a_message_moves_its_deadline_and_touches_no_timer() {
    const MESSAGES: usize = 1000;
    let mut service = Config::default().service(true, 0);
    service.rules.messages_per_connection = 0;
    service.timeouts = Timeouts { idle: IDLE, message: IDLE };
    let kernel = ScriptedKernel {
        events: vec![Source::Listener],
        accepts: [Ok(())].into(),
        ..ScriptedKernel::default()
    };
    let mut reactor = Reactor::new(kernel, service);
    reactor.turn();

    let (mut moved, mut check_at) = (0, Moment::START + IDLE);
    for _ in 0..MESSAGES {
        reactor.kernel.now = reactor.kernel.now + MILLISECOND;
        reactor.now = reactor.kernel.now;
        reactor.connections[0].socket.input.push_back(Input::Bytes(b"hello\n".into()));
        reactor.kernel.events.push(Source::Connection(0));
        reactor.turn();
        reactor.wait();
        moved += usize::from(mem::replace(&mut check_at, reactor.kernel.wakes_at) != check_at);
    }
    assert_eq!(reactor.connections[0].messages() as usize, MESSAGES);
    assert!(moved == 0, "{moved} timers were moved by {MESSAGES} messages");

    // When the check comes due, the last byte counts, and the connection stays.
    reactor.kernel.now = check_at;
    reactor.now = check_at;
    reactor.turn();
    reactor.wait();
    let last_byte = Moment::START + 1000 * MILLISECOND;
    assert_eq!((reactor.connections.len(), reactor.kernel.wakes_at), (1, last_byte + IDLE));
}
