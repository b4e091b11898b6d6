//! A connection that is lost: it hands so many transactions on, keeps the answer to the last one, and is dead from then on.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::stranger::post;

/// An L1 node that refuses requests with this in them, in these words. It lasts as long as the test.
pub(crate) fn refusing(part: &'static str, message: &str, url: &str) -> String {
    replacing(
        part,
        format!("\"error\":{{\"code\":-32000,\"message\":\"{message}\"}}"),
        url,
    )
}

/// An L1 node that answers requests with this in them so.
pub(crate) fn answering(part: &'static str, result: &str, url: &str) -> String {
    replacing(part, format!("\"result\":{result}"), url)
}

fn replacing(part: &'static str, answer: String, url: &str) -> String {
    listen(url, move |host, body| {
        if !body.contains(part) {
            return post(host, body).ok();
        }
        let id = body.split("\"id\":").nth(1)?.split([',', '}']).next()?;
        Some(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},{answer}}}").into_bytes())
    })
}

/// Where it listens. It lasts as long as the test.
pub(crate) fn after(transactions: usize, url: &str) -> String {
    let sent = AtomicUsize::new(0);
    listen(url, move |host, body| {
        if sent.load(Ordering::SeqCst) >= transactions {
            return None;
        }
        let answer = post(host, body).ok()?;
        let is_last =
            body.contains("eth_sendRawTransaction") && sent.fetch_add(1, Ordering::SeqCst) + 1 >= transactions;
        (!is_last).then_some(answer)
    })
}

/// Where somebody answers for the L1 node, or does not.
fn listen(url: &str, answer: impl Fn(&str, &str) -> Option<Vec<u8>> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let host = url.strip_prefix("http://").unwrap().to_owned();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (host, answer) = (host.clone(), Arc::clone(&answer));
            std::thread::spawn(move || {
                // Whatever fails here is a lost connection.
                let _ = hand_on(stream, |body| answer(&host, body));
            });
        }
    });
    format!("http://{address}")
}

fn hand_on(mut stream: TcpStream, answer: impl Fn(&str) -> Option<Vec<u8>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or_default();
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = String::from_utf8_lossy(&body);
    let Some(answer) = answer(&body) else {
        return Ok(());
    };
    let length = answer.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )?;
    stream.write_all(&answer)
}
