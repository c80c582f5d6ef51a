//! The rounds: a message, its reply, a wait, until `loop_lapse` is over or `loop_amount` is sent.

use std::time::Instant;

use crate::config::Config;
use crate::log_events;
use crate::retry::Retry;
use crate::round::{self, Failure};
use crate::stop::{Stop, Stopped};

/// Sends messages as configured. The end of `loop_lapse` cuts a wait short, but not a message.
///
/// # Errors
/// The failure that ended the loop early. It has been logged, unless it is a stop.
pub fn run(config: &Config, stop: &Stop) -> Result<(), Failure> {
    let start = Instant::now();
    for number in 1.. {
        deliver(config, stop, number)?;
        if number == config.loop_amount || !wait(config, stop, start)? {
            break;
        }
    }
    Ok(())
}

/// Sends one message until it has its reply, or until `retry_timeout` is over. Each try has the
/// same number: the client cannot know whether the server got the message before the connection
/// failed.
fn deliver(config: &Config, stop: &Stop, number: u64) -> Result<(), Failure> {
    let message = format!("[CLIENT {}] Message number {number} sent", config.id);
    let mut retry = Retry::new(config.retry_timeout);
    loop {
        let failure = match round::run(config, stop, &message) {
            Err(Failure::Unanswered(failure)) => failure,
            Err(Failure::Wrong(reply)) => {
                log_events::wrong_reply(config, &message, &reply);
                return Err(Failure::Wrong(reply));
            }
            other => return other,
        };
        let Some(pause) = retry.pause_after_failure(Instant::now()) else {
            log_events::gave_up(config, number, &failure);
            return Err(Failure::Unanswered(failure));
        };
        log_events::not_answered(config, number, &failure, pause);
        stop.wait(pause)?;
    }
}

/// Waits for the next round. Returns `false` when `loop_lapse` is over, so that there is none.
fn wait(config: &Config, stop: &Stop, start: Instant) -> Result<bool, Stopped> {
    let left = config.loop_lapse.saturating_sub(start.elapsed());
    stop.wait(config.loop_period.min(left))?;
    Ok(config.loop_period < left)
}
