//! Where messages go into the server: a control channel, or an HTTP URL; and what is behind the channel.

use std::io::{self, BufRead as _, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use hasses_client::web::{Scheme, Transport, Trust, Url, dial, resolve};

use super::publisher::{Post, Way};
use super::socket::Socket;
use super::target::{CONNECT_PATIENCE, address, parse, template};
use super::template::{MESSAGE, Template};
use crate::arguments::Bench;
use crate::failure::Failure;
use crate::tls;

/// Where messages go in.
#[derive(Clone, Debug)]
pub(super) enum Outlet {
    /// The control channel of this URL, in one of its forms.
    Control(String, Way),
    /// Requests to the server of this URL.
    Post(Url, Way),
}

/// Whoever knows what a status is answers at once.
const STATUS_PATIENCE: Duration = Duration::from_secs(1);
/// More than any status.
const MAX_STATUS_BYTES: u64 = 256 * 1024;

/// What the command line says of it.
///
/// # Errors
/// Usage; unreachable where no control channel is found.
pub(super) fn find(arguments: &Bench, control: impl FnOnce() -> Result<String, Failure>) -> Result<Outlet, Failure> {
    let is_post = arguments.publish == "post";
    if !is_post && (arguments.post.is_some() || arguments.post_body.is_some() || !arguments.post_header.is_empty()) {
        return Err(Failure::usage("--post, --post-body and --post-header need --publish post"));
    }
    match arguments.publish.as_str() {
        "classic" => Ok(Outlet::Control(control()?, Way::Classic)),
        "json" => Ok(Outlet::Control(control()?, Way::Json)),
        "post" => post(arguments),
        other => Err(Failure::usage(format!("--publish {other}: one of classic, json, post is needed"))),
    }
}

fn post(arguments: &Bench) -> Result<Outlet, Failure> {
    let advice = "as in --post 'http://127.0.0.1:8090/pub?id={topic}'";
    let Some(text) = &arguments.post else {
        return Err(Failure::usage("--publish post needs --post <url>").advise(advice));
    };
    let url = parse(text).map_err(|error| Failure::usage(format!("--post: {error}")).advise(advice))?;
    let text = arguments.post_body.as_deref().unwrap_or(MESSAGE);
    let body = Template::new(text);
    if !body.has_message() {
        return Err(Failure::usage(format!("--post-body {text:?} has no {MESSAGE}")));
    }
    let mut headers = format!("Host: {}\r\n", url.authority());
    for line in &arguments.post_header {
        let named =
            line.split_once(':').is_some_and(|(name, _)| !name.is_empty() && !name.contains(char::is_whitespace));
        if !named || line.contains(char::is_control) {
            return Err(Failure::usage(format!("--post-header {line:?} is none, as in 'Authorization: Bearer …'")));
        }
        headers.extend([line, "\r\n"]);
    }
    if !headers.to_ascii_lowercase().contains("\r\ncontent-type:") {
        let kind = if text == MESSAGE { "text/plain" } else { "application/x-www-form-urlencoded" };
        headers.extend(["Content-Type: ", kind, "\r\n"]);
    }
    let target = template(url.target());
    Ok(Outlet::Post(url, Way::Post(Box::new(Post { target, headers, body }))))
}

impl Outlet {
    /// How messages are written.
    pub(super) fn way(&self) -> &Way {
        match self {
            Self::Control(_, way) | Self::Post(_, way) => way,
        }
    }

    /// Connects.
    pub(super) fn open(&self, trust: Option<&Trust>) -> Result<Socket, Failure> {
        match self {
            Self::Control(url, _) => {
                let socket = match control(url)? {
                    Control::Tcp(stream) => {
                        stream.set_nodelay(true).and_then(|()| Socket::of(Transport::Plain(stream)))
                    }
                    Control::Unix(stream) => stream.set_nonblocking(true).map(|()| Socket::Plain(stream.into())),
                };
                socket.map_err(|error| nobody(url, &error))
            }
            Self::Post(url, _) => {
                let host = url.host();
                let stream = dial(address(url)?, None, CONNECT_PATIENCE);
                let transport = stream.and_then(|stream| match url.scheme() {
                    Scheme::Http => Ok(Transport::Plain(stream)),
                    Scheme::Https => {
                        let config = trust.map_or_else(|| Trust::of_system().config(), Trust::config);
                        Transport::secure(stream, host, &config, CONNECT_PATIENCE)
                    }
                });
                transport.and_then(Socket::of).map_err(|error| nobody(&url.origin(), &error))
            }
        }
    }

    /// What the server behind the control channel answers to `status`, where it is there and answers at once.
    pub(super) fn status(&self) -> Option<String> {
        let Self::Control(url, _) = self else { return None };
        let answer = match control(url).ok()? {
            Control::Tcp(stream) => {
                stream.set_read_timeout(Some(STATUS_PATIENCE)).ok()?;
                ask_status(&stream, &stream)
            }
            Control::Unix(stream) => {
                stream.set_read_timeout(Some(STATUS_PATIENCE)).ok()?;
                ask_status(&stream, &stream)
            }
        };
        answer.ok()
    }

    /// The host that messages go to, where the channel has one.
    pub(super) fn host(&self) -> Option<&str> {
        let Self::Control(url, _) = self else { return None };
        url.strip_prefix("tcp://").and_then(|rest| rest.rsplit_once(':')).map(|(host, _)| host)
    }
}

enum Control {
    Tcp(TcpStream),
    Unix(UnixStream),
}

fn control(url: &str) -> Result<Control, Failure> {
    if let Some(path) = url.strip_prefix("unix://") {
        return UnixStream::connect(path).map(Control::Unix).map_err(|error| nobody(url, &error));
    }
    let parts = url.strip_prefix("tcp://").and_then(|rest| rest.rsplit_once(':'));
    let parts = parts.and_then(|(host, port)| Some((host.trim_matches(['[', ']']), port.parse().ok()?)));
    let Some((host, port)) = parts else {
        let failure = Failure::usage(format!("{url:?} is no control channel: write tcp://HOST:PORT or unix:///PATH"));
        return Err(if url.starts_with('/') { failure.advise(format!("as in unix://{url}")) } else { failure });
    };
    let addresses = resolve(host, port).map_err(|error| nobody(url, &error))?;
    let mut failure = nobody(url, &io::ErrorKind::NotFound.into());
    for address in addresses {
        match dial(address, None, CONNECT_PATIENCE) {
            Ok(stream) => return Ok(Control::Tcp(stream)),
            Err(error) => failure = nobody(url, &error),
        }
    }
    Err(failure)
}

fn ask_status(mut write: impl Write, read: impl io::Read) -> io::Result<String> {
    write.write_all(b"{\"cmd\":\"status\"}\n")?;
    let mut line = String::new();
    BufReader::new(read.take(MAX_STATUS_BYTES)).read_line(&mut line)?;
    Ok(line)
}

fn nobody(url: &str, error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::InvalidData {
        return tls::failed(url, error);
    }
    Failure::unreachable(format!("nobody takes messages at {url}: {error}"))
}
