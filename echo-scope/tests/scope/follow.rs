//! Following a connection through the page's port.

use echo_harness::wait;
use echo_status::{Call, Readiness, Step};

use crate::fake::Fake;
use crate::reader::Events;
use crate::scope::Scope;

fn watched(fake: &Fake) -> Scope {
    let scope = Scope::start(&fake.address);
    scope.events("/events").until("the server", |state| !state["shown"].is_null());
    scope
}

/// The life of a connection with one message.
pub(crate) fn life(fake: &Fake) {
    let call = |name: &str, asked, got: Option<u64>| {
        let error = got.is_none().then(|| "EAGAIN".to_owned());
        Step::Call(Call { name: name.to_owned(), asked, got, error })
    };
    fake.step(0, Step::Accepted { peer: "172.24.125.3:51504".to_owned() });
    fake.step(12, call("recv", 16384, None));
    fake.step(20, Step::Watched);
    fake.step(1020, Step::Silence { us: 1000 });
    fake.step(1021, Step::Event(Readiness { readable: true, read_on: false }));
    fake.step(1025, call("recv", 16384, Some(16384)));
    fake.step(1040, call("send", 16384, Some(4096)));
    fake.step(1041, Step::Moved { from: "open".to_owned(), to: "flushing".to_owned() });
    fake.step(3000, Step::Event(Readiness { readable: false, read_on: false }));
    fake.step(3010, call("send", 12288, Some(12288)));
    fake.step(3011, Step::Moved { from: "flushing".to_owned(), to: "open".to_owned() });
    fake.step(3012, call("recv", 16384, Some(0)));
    fake.step(3013, Step::Moved { from: "open".to_owned(), to: "closed".to_owned() });
    fake.step(
        3014,
        Step::Closed { reason: "the peer closed it, all is answered".to_owned(), messages: 1 },
    );
}

#[test]
fn every_step_arrives_in_order_and_the_stream_ends_with_the_connection() {
    let fake = Fake::start();
    let scope = watched(&fake);
    let mut events = scope.events(&format!("/follow/{}", fake.address));
    fake.step(0, Step::Waiting);
    life(&fake);
    let steps: Vec<String> = std::iter::from_fn(|| events.next())
        .map(|(event, data)| {
            assert_eq!(event, "step", "{data}");
            data
        })
        .collect();
    assert_eq!(steps.len(), 15, "{steps:#?}");
    assert!(steps[0].ends_with(r#""step":"waiting"}"#), "{}", steps[0]);
    assert!(steps[1].contains(r#""step":{"accepted":{"peer":"172.24.125.3:51504"}}"#));
    assert!(steps[14].contains("the peer closed it, all is answered"), "{}", steps[14]);
}

#[test]
fn a_server_that_goes_meanwhile_is_told() {
    let fake = Fake::start();
    let scope = watched(&fake);
    let mut events = scope.events(&format!("/follow/{}", fake.address));
    fake.step(0, Step::Waiting);
    assert_eq!(events.next().expect("a step").0, "step");
    drop(fake);
    assert_eq!(events.next().expect("an end").0, "problem");
    assert_eq!(events.next(), None);
}

/// A status port has few places, so the page takes few of them, and gives them back.
#[test]
fn few_connections_are_followed_at_a_time_and_a_browser_that_goes_gives_its_place_back() {
    let fake = Fake::start();
    let scope = watched(&fake);
    let path = format!("/follow/{}", fake.address);
    let followers: Vec<Events> = (0..4).map(|_| scope.events(&path)).collect();
    wait::until("four follow", || fake.follows() == 4);
    let refused = Events::try_open(scope.port, &path).err();
    assert_eq!(refused.as_deref(), Some("HTTP/1.1 503 Service Unavailable"));
    drop(followers);
    wait::until("a place is free", || Events::try_open(scope.port, &path).is_ok());
}
