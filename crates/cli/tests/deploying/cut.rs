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

/// Where it listens. It lasts as long as the test.
pub(crate) fn after(transactions: usize, url: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let host = url.strip_prefix("http://").unwrap().to_owned();
    let sent = Arc::new(AtomicUsize::new(0));
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (host, sent) = (host.clone(), Arc::clone(&sent));
            std::thread::spawn(move || {
                // Whatever fails here is a lost connection.
                let _ = hand_on(stream, &host, &sent, transactions);
            });
        }
    });
    format!("http://{address}")
}

fn hand_on(mut stream: TcpStream, host: &str, sent: &AtomicUsize, transactions: usize) -> std::io::Result<()> {
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
    if sent.load(Ordering::SeqCst) >= transactions {
        return Ok(());
    }
    let answer = post(host, &body)?;
    if body.contains("eth_sendRawTransaction") && sent.fetch_add(1, Ordering::SeqCst) + 1 >= transactions {
        return Ok(());
    }
    let length = answer.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )?;
    stream.write_all(&answer)
}
