//! What is no control protocol but reaches a control port all the same: HTTP and TLS.
//!
//! It must not be read as commands. Any web page can make a browser send a request to a port of the machine it runs on, with a
//! path and a body of the page's choosing, and classic text would find messages in it. It is told by its first bytes, before
//! anything is decoded, and the connection is closed.

/// What a request begins with, as far as it is needed to tell it from a classic message. Topics that begin so are given up.
const REQUESTS: &[&[u8]] = &[
    b"GET /",
    b"HEAD /",
    b"POST /",
    b"PUT /",
    b"PATCH /",
    b"DELETE /",
    b"OPTIONS /",
    b"OPTIONS *",
    b"TRACE /",
    b"CONNECT ",
    b"PRI * HTTP/2",
];
/// The content type of a TLS handshake (RFC 8446, 5.1) and its version's first byte.
const HANDSHAKE: &[u8] = &[0x16, 0x03];

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// The control protocol.
    Control,
    /// Something else, by its name.
    Foreign(&'static str),
    /// It takes more of them to tell.
    Unknown,
}

/// Looks at the first bytes of a connection.
pub(crate) fn opening(bytes: &[u8]) -> Opening {
    let openings = REQUESTS.iter().map(|request| (*request, "HTTP")).chain([(HANDSHAKE, "TLS")]);
    let mut unknown = false;
    for (known, name) in openings {
        if bytes.starts_with(known) {
            return Opening::Foreign(name);
        }
        unknown |= known.starts_with(bytes);
    }
    if unknown { Opening::Unknown } else { Opening::Control }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_handshakes_are_told_from_messages() {
        for (bytes, name) in [
            (&b"GET / HTTP/1.1\r\nHost: localhost:8085\r\n\r\n"[..], "HTTP"),
            (b"POST /;room=evil; HTTP/1.1\r\n", "HTTP"),
            (b"OPTIONS * HTTP/1.1", "HTTP"),
            (b"\x16\x03\x01\x02\x00", "TLS"),
        ] {
            assert_eq!(opening(bytes), Opening::Foreign(name), "{bytes:?}");
        }
        for bytes in
            [&b"room624=hi"[..], b"G=1", b"GET=1", b"GETX /", b"POSTS=1", b"{\"cmd\"", b"status", b"\n", b"\x16=a"]
        {
            assert_eq!(opening(bytes), Opening::Control, "{bytes:?}");
        }
        for bytes in [&b""[..], b"G", b"GET", b"GET ", b"P", b"\x16"] {
            assert_eq!(opening(bytes), Opening::Unknown, "{bytes:?}");
        }
    }
}
