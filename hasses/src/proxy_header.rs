//! The PROXY header that a proxy in front puts before a connection, without I/O: bytes in, whom it names out.
//!
//! Both versions of <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>, which the comments quote by section. Whoever
//! reads asks how many bytes are wanted, so that none is taken of the handshake or the request behind the header.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// What a header of version 2 begins with (2.2).
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// What one of version 1 begins with (2.1). The shortest has 15 bytes.
const PROXY: &[u8; 6] = b"PROXY ";
/// Longest header of version 1, CRLF included (2.1).
const MAX_TEXT: usize = 107;
/// The fixed part of version 2: signature, command, family, length (2.2).
const FIXED: usize = 16;
/// Longest rest of a header of version 2 that is read; what proxies add to the addresses has some hundred bytes.
const MAX_REST: usize = 4096;

/// How many more bytes surely belong to the header that begins with these; 0 where it is whole.
///
/// # Errors
/// Why this is the beginning of no header.
pub fn wanted(bytes: &[u8]) -> Result<usize, String> {
    let begins = |beginning: &[u8]| bytes.iter().zip(beginning).all(|(byte, expected)| byte == expected);
    match (begins(SIGNATURE), begins(PROXY)) {
        (false, false) => Err("it does not begin with a PROXY header".to_owned()),
        // Also where it is not the last, which is a fault, however many bytes came at one time.
        (_, true) if bytes.contains(&b'\n') => Ok(0),
        _ if bytes.len() < SIGNATURE.len() => Ok(SIGNATURE.len() - bytes.len()),
        (true, _) => wanted_of_version_2(bytes),
        // CR and LF are still to come, or only the latter.
        _ => match if bytes.ends_with(b"\r") { 1 } else { 2 } {
            more if bytes.len() + more <= MAX_TEXT => Ok(more),
            _ => Err(format!("its PROXY header has more than {MAX_TEXT} bytes")),
        },
    }
}

fn wanted_of_version_2(bytes: &[u8]) -> Result<usize, String> {
    let Some(length) = bytes.get(14..FIXED) else { return Ok(FIXED - bytes.len()) };
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    if length > MAX_REST {
        return Err(format!("its PROXY header has more than {MAX_REST} bytes ({length})"));
    }
    Ok((FIXED + length).saturating_sub(bytes.len()))
}

/// Whom a whole header names. `None` is nobody: a health check of the proxy's own, or somebody without such an address.
///
/// # Errors
/// What is wrong with it.
pub fn source(header: &[u8]) -> Result<Option<SocketAddr>, String> {
    let named = if header.starts_with(SIGNATURE) { version_2(header) } else { version_1(header) };
    named.map_err(|why| format!("its PROXY header is malformed: {why}"))
}

fn version_1(header: &[u8]) -> Result<Option<SocketAddr>, String> {
    let line = header.strip_suffix(b"\r\n").ok_or("it does not end with CR and LF")?;
    let line = str::from_utf8(line).map_err(|_| "it is no text")?;
    match line.split(' ').collect::<Vec<_>>()[..] {
        // 2.1: what follows UNKNOWN must be ignored.
        ["PROXY", "UNKNOWN", ..] => Ok(None),
        ["PROXY", "TCP4", source, destination, port, other] => named::<Ipv4Addr>([source, destination], [port, other]),
        ["PROXY", "TCP6", source, destination, port, other] => named::<Ipv6Addr>([source, destination], [port, other]),
        _ => Err("it is none of TCP4 and TCP6 with two addresses and two ports, or UNKNOWN".to_owned()),
    }
}

/// The first address and the first port; the others must be right too.
fn named<A: FromStr + Into<IpAddr>>(addresses: [&str; 2], ports: [&str; 2]) -> Result<Option<SocketAddr>, String> {
    let mut read = addresses.into_iter().zip(ports).map(|(address, port)| {
        let ip: A = address.parse().map_err(|_| format!("{address:?} is no address of this kind"))?;
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        let number = port.parse().ok().filter(|_| digits).ok_or_else(|| format!("{port:?} is no port"))?;
        Ok(SocketAddr::new(ip.into().to_canonical(), number))
    });
    let source = read.next().transpose();
    read.try_for_each(|destination| destination.map(drop))?;
    source
}

fn version_2(header: &[u8]) -> Result<Option<SocketAddr>, String> {
    let (fixed, rest) = header.split_at_checked(FIXED).ok_or("it is cut")?;
    match (fixed[12], fixed[13]) {
        // 2.2: what follows LOCAL is to be discarded, the family included.
        (0x20, _) => Ok(None),
        (0x21, 0x00 | 0x31 | 0x32) => Ok(None),
        (0x21, 0x11 | 0x12) => first::<4>(rest),
        (0x21, 0x21 | 0x22) => first::<16>(rest),
        (0x21, family) => Err(format!("family and protocol are {family:#04x}")),
        (command, _) => Err(format!("version and command are {command:#04x}")),
    }
}

/// Both addresses come first, then both ports.
fn first<const BYTES: usize>(rest: &[u8]) -> Result<Option<SocketAddr>, String>
where
    IpAddr: From<[u8; BYTES]>,
{
    match (rest.first_chunk::<BYTES>(), rest.get(2 * BYTES..2 * BYTES + 4)) {
        (Some(&ip), Some(ports)) => {
            let port = u16::from_be_bytes([ports[0], ports[1]]);
            Ok(Some(SocketAddr::new(IpAddr::from(ip).to_canonical(), port)))
        }
        _ => Err(format!("{} bytes are too few for its addresses", rest.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands behind every header here.
    const NEXT: &[u8] = b"GET /";

    /// Reads as a connection does that gives at most `most` bytes at a time; gives the outcome, and what is left.
    fn read(mut bytes: &[u8], most: usize) -> (Result<String, String>, Vec<u8>) {
        let mut header = Vec::new();
        let outcome = loop {
            let wanted = match wanted(&header) {
                Ok(0) => break source(&header),
                Ok(wanted) => wanted,
                Err(why) => break Err(why),
            };
            let count = wanted.min(most).min(bytes.len());
            if count == 0 {
                break Err("ended".to_owned());
            }
            header.extend_from_slice(&bytes[..count]);
            bytes = &bytes[count..];
        };
        let named = |address: Option<SocketAddr>| address.map_or("nobody".to_owned(), |address| address.to_string());
        (outcome.map(named), bytes.to_vec())
    }

    fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[command, family][..], &length, rest].concat()
    }

    #[test]
    fn headers_name_the_client_and_leave_what_follows() {
        let ipv4 = [192, 0, 2, 7, 198, 51, 100, 1, 0x30, 0x39, 0x01, 0xbb];
        let ipv6 = [[0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]; 2].concat();
        let mapped = [[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 7]; 2].concat();
        let with_ports = |addresses: &[u8]| [addresses, &[0x30, 0x39, 0x01, 0xbb]].concat();
        let longest = "2001:0db8:0000:0000:0000:0000:0000:0007";
        for (header, named) in [
            (b"PROXY TCP4 192.0.2.7 198.51.100.1 12345 443\r\n".to_vec(), "192.0.2.7:12345"),
            (b"PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n".to_vec(), "255.255.255.255:65535"),
            (b"PROXY TCP6 2001:db8::7 2001:db8::1 12345 443\r\n".to_vec(), "[2001:db8::7]:12345"),
            (format!("PROXY TCP6 {longest} {longest} 65535 65535\r\n").into_bytes(), "[2001:db8::7]:65535"),
            (b"PROXY TCP6 ::ffff:192.0.2.7 ::1 12345 443\r\n".to_vec(), "192.0.2.7:12345"),
            (b"PROXY UNKNOWN\r\n".to_vec(), "nobody"),
            (b"PROXY UNKNOWN ff:: ff:: 1 2\r\n".to_vec(), "nobody"),
            (format!("PROXY UNKNOWN {}\r\n", "x".repeat(MAX_TEXT - 16)).into_bytes(), "nobody"),
            (binary(0x21, 0x11, &ipv4), "192.0.2.7:12345"),
            (binary(0x21, 0x11, &[&ipv4[..], &[0x05, 0, 2, 1, 1]].concat()), "192.0.2.7:12345"),
            (binary(0x21, 0x11, &[&ipv4[..], &[7; MAX_REST - 12]].concat()), "192.0.2.7:12345"),
            (binary(0x21, 0x21, &with_ports(&ipv6)), "[2001:db8::7]:12345"),
            (binary(0x21, 0x21, &with_ports(&mapped)), "192.0.2.7:12345"),
            (binary(0x20, 0x11, &ipv4), "nobody"),
            (binary(0x20, 0x00, &[]), "nobody"),
            // What LOCAL says besides is not looked at.
            (binary(0x20, 0x11, &[1]), "nobody"),
            (binary(0x20, 0xff, &[1]), "nobody"),
            (binary(0x21, 0x00, &[]), "nobody"),
            (binary(0x21, 0x31, &[0; 216]), "nobody"),
        ] {
            let bytes = [&header[..], NEXT].concat();
            for most in [1, 2, 5, 13, usize::MAX] {
                assert_eq!(read(&bytes, most), (Ok(named.to_owned()), NEXT.to_vec()), "{bytes:?} by {most}");
            }
            for cut in 0..header.len() {
                assert_eq!(read(&header[..cut], usize::MAX).0, Err("ended".to_owned()), "{header:?} up to {cut}");
            }
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(MAX_TEXT - 15)).into_bytes();
        for (bytes, part) in [
            (b"GET /sse HTTP/1.1\r\n".to_vec(), "does not begin with a PROXY header"),
            (b"\r\n\r\nGET ".to_vec(), "does not begin with a PROXY header"),
            (b"\x16\x03\x01".to_vec(), "does not begin with a PROXY header"),
            (b"proxy TCP4 192.0.2.7 198.51.100.1 12345 443\r\n".to_vec(), "does not begin with a PROXY header"),
            (b"PROXY \r\n".to_vec(), "none of TCP4 and TCP6"),
            (b"PROXY TCP4\r\n".to_vec(), "none of TCP4 and TCP6"),
            (b"PROXY TCP4 192.0.2.7 198.51.100.1 12345\r\n".to_vec(), "none of TCP4 and TCP6"),
            (b"PROXY TCP4 192.0.2.7 198.51.100.1 12345 443 1\r\n".to_vec(), "none of TCP4 and TCP6"),
            (b"PROXY TCP4  192.0.2.7 198.51.100.1 12345 443\r\n".to_vec(), "none of TCP4 and TCP6"),
            (b"PROXY UDP4 192.0.2.7 198.51.100.1 12345 443\r\n".to_vec(), "none of TCP4 and TCP6"),
            (b"PROXY TCP4 192.0.2.777 198.51.100.1 12345 443\r\n".to_vec(), "\"192.0.2.777\" is no address"),
            (b"PROXY TCP4 192.0.2.7 198.51.100 12345 443\r\n".to_vec(), "\"198.51.100\" is no address"),
            (b"PROXY TCP4 2001:db8::7 198.51.100.1 12345 443\r\n".to_vec(), "\"2001:db8::7\" is no address"),
            (b"PROXY TCP6 192.0.2.7 2001:db8::1 12345 443\r\n".to_vec(), "\"192.0.2.7\" is no address"),
            (b"PROXY TCP4 192.0.2.7 198.51.100.1 99999 443\r\n".to_vec(), "\"99999\" is no port"),
            (b"PROXY TCP4 192.0.2.7 198.51.100.1 +1 443\r\n".to_vec(), "\"+1\" is no port"),
            (b"PROXY TCP4 192.0.2.7 198.51.100.1 1 \r\n".to_vec(), "\"\" is no port"),
            (b"PROXY TCP4 192.0.2.7\r198.51.100.1 1 2\r\n".to_vec(), "none of TCP4 and TCP6"),
            (b"PROXY TCP4 192.0.2.7 198.51.100.1 12345 443\n".to_vec(), "does not end with CR and LF"),
            (b"PROXY UNKNOWN \nX\r\n".to_vec(), "does not end with CR and LF"),
            (b"PROXY UNKNOWN\nX\r\n".to_vec(), "does not end with CR and LF"),
            (b"PROXY TCP4 \xff\r\n".to_vec(), "it is no text"),
            (long, "more than 107 bytes"),
            ([b"PROXY TCP4 ".to_vec(), vec![b'1'; 200]].concat(), "more than 107 bytes"),
            (binary(0x11, 0x11, &[0; 12]), "version and command are 0x11"),
            (binary(0x22, 0x11, &[0; 12]), "version and command are 0x22"),
            (binary(0x21, 0x41, &[0; 12]), "family and protocol are 0x41"),
            (binary(0x21, 0x13, &[0; 12]), "family and protocol are 0x13"),
            (binary(0x21, 0x11, &[0; 11]), "11 bytes are too few"),
            (binary(0x21, 0x21, &[0; 35]), "35 bytes are too few"),
            (binary(0x21, 0x11, &[0; 5000]), "more than 4096 bytes (5000)"),
        ] {
            for most in [1, 2, 5, usize::MAX] {
                let error = read(&bytes, most).0.expect_err("a refusal");
                assert!(error.contains(part) && !error.contains(char::is_control), "{bytes:?} by {most}: {error}");
            }
        }
    }
}
