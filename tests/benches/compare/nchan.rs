//! nginx with the nchan module, as Debian packages it: where it is, and how it is set up to be at its best here.

use std::env;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

const MODULE: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";
/// How to install it.
pub(crate) const INSTALL: &str = "apt-get install -y nginx-light libnginx-mod-nchan";
/// What is said where it has to be there and is not.
pub(crate) const MISSING: &str =
    "nchan is not installed: apt-get install -y nginx-light libnginx-mod-nchan (or leave it out: --skip nchan)";

/// Finds nginx, if its nchan module is there.
pub(crate) fn find() -> Option<PathBuf> {
    // A user's search path on Debian lacks the folder where nginx is.
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let nginx = folders.map(|folder| folder.join("nginx")).find(|path| path.is_file());
    nginx.filter(|_| Path::new(MODULE).is_file())
}

/// The configuration: subscribers and publishers on `address`, files in `folder`.
///
/// One worker; no log, no limit that a run would meet, and of each topic only the messages of two bursts kept.
pub(crate) fn configuration(folder: &Path, address: SocketAddr) -> String {
    let folder = folder.display();
    format!(
        "load_module {MODULE};
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
lock_file {folder}/nginx.lock;
error_log stderr emerg;
events {{
    use epoll;
    multi_accept on;
    worker_connections 19000;
}}
http {{
    access_log off;
    tcp_nodelay on;
    # Connections are never ended for their age, and a burst of requests fits into one buffer.
    keepalive_timeout 1h;
    keepalive_requests 1000000000;
    client_header_buffer_size 32k;
    large_client_header_buffers 4 32k;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen {address} backlog=4096;
        location = /sse {{
            nchan_subscriber eventsource;
            nchan_channel_id $arg_subscribe;
            nchan_subscriber_first_message newest;
            nchan_eventsource_ping_interval 0;
        }}
        location = /publish {{
            nchan_publisher http;
            nchan_channel_id $arg_topic;
            nchan_message_buffer_length 100;
            nchan_message_timeout 10s;
        }}
    }}
}}
"
    )
}
