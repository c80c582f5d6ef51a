//! A system call as `strace` writes it, without what no lesson is about.

/// What no lesson is about, and what stands in its place.
const ASIDES: [(&str, &str); 7] = [
    (", 0, NULL, NULL)", ")"),
    (", NULL, 0)", ")"),
    ("MSG_NOSIGNAL|", ""),
    (", MSG_NOSIGNAL", ""),
    (" (Resource temporarily unavailable)", ""),
    ("EPOLL_CTL_", ""),
    ("EPOLL", ""),
];

/// Shows sources by their names, and addresses as `ip:port`.
pub(crate) fn brief(call: &str) -> String {
    let mut text = rewrite(call, "{events=", "}}", event);
    text = rewrite(&text, "{sa_family=AF_INET, sin_port=htons(", "\")}", address);
    // An accept that fails shows a number in place of the address.
    text = rewrite(&text, ", 0x", ")", |_| ")".to_owned());
    text = rewrite(&text, ", [128", "NONBLOCK", |_| String::new());
    // Results stand in a column of their own.
    if let Some((call, result)) = text.rsplit_once(" = ") {
        text = format!("{} = {result}", call.trim_end());
    }
    ASIDES.iter().fold(text, |text, (long, short)| text.replace(long, short))
}

/// Replaces each piece of the text from `begin` to `end`. `with` gets what stands between the two.
fn rewrite(text: &str, begin: &str, end: &str, with: impl Fn(&str) -> String) -> String {
    let mut pieces = text.split(begin);
    let mut result = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        match piece.split_once(end) {
            Some((inside, behind)) => result.extend([&with(inside), behind]),
            None => result.extend([begin, piece]),
        }
    }
    result
}

/// `EPOLLIN, data={u32=0, u64=0` is an event of the connection in slot 0. Sources that are no connections have
/// the largest numbers.
fn event(text: &str) -> String {
    let (events, data) = text.split_once(", data=").unwrap_or((text, ""));
    let source = match data.rsplit("u64=").next().and_then(|number| number.parse().ok()) {
        Some(u64::MAX) => "listener".to_owned(),
        Some(slot) if slot < u64::from(u32::MAX) => format!("slot {slot}"),
        _ => "other".to_owned(),
    };
    format!("{source}: {events}")
}

/// `40916), sin_addr=inet_addr("127.0.0.1` is 127.0.0.1:40916.
fn address(text: &str) -> String {
    let (port, ip) = text.split_once("), sin_addr=inet_addr(\"").unwrap_or((text, ""));
    format!("{ip}:{port}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_lesson_is_about_is_left_out() {
        for (call, shown) in [
            (
                "epoll_wait(5, [{events=EPOLLIN, data={u32=4294967295, u64=18446744073709551615}}, \
                 {events=EPOLLIN|EPOLLOUT|EPOLLRDHUP, data={u32=3, u64=3}}], 1024, -1) = 2",
                "epoll_wait(5, [listener: IN, slot 3: IN|OUT|RDHUP], 1024, -1) = 2",
            ),
            (
                "accept4(8, {sa_family=AF_INET, sin_port=htons(40916), sin_addr=inet_addr(\"127.0.0.1\")}, \
                 [128 => 16], SOCK_CLOEXEC|SOCK_NONBLOCK) = 9",
                "accept4(8, 127.0.0.1:40916) = 9",
            ),
            (
                "accept4(8, 0x7ffdd3f5e2a8, [128], SOCK_CLOEXEC|SOCK_NONBLOCK) = -1 EAGAIN \
                 (Resource temporarily unavailable)",
                "accept4(8) = -1 EAGAIN",
            ),
            (
                "recvfrom(9, \"hi)\\n\", 16384, 0, NULL, NULL) = 4",
                "recvfrom(9, \"hi)\\n\", 16384) = 4",
            ),
            (
                "sendto(9, \"hi\\n\", 3, MSG_NOSIGNAL|MSG_MORE, NULL, 0) = 3",
                "sendto(9, \"hi\\n\", 3, MSG_MORE) = 3",
            ),
            ("sendto(9, \"hi\\n\", 3, MSG_NOSIGNAL, NULL, 0) = 3", "sendto(9, \"hi\\n\", 3) = 3"),
            (
                "epoll_ctl(5, EPOLL_CTL_ADD, 9, {events=EPOLLIN|EPOLLPRI|EPOLLOUT|EPOLLRDHUP|EPOLLET, \
                 data={u32=0, u64=0}}) = 0",
                "epoll_ctl(5, ADD, 9, slot 0: IN|PRI|OUT|RDHUP|ET) = 0",
            ),
            ("shutdown(9, SHUT_WR)             = 0", "shutdown(9, SHUT_WR) = 0"),
        ] {
            assert_eq!(brief(call), shown);
        }
    }
}
