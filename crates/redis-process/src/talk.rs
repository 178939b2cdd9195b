//! The part of the Redis protocol that is needed to control a server.

use std::{
    io::{self, BufRead, BufReader, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// Sends a command and returns the answer, its lines joined by spaces.
pub(super) fn ask(server: SocketAddr, words: &[&[u8]]) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut command = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        command.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        command.extend_from_slice(word);
        command.extend_from_slice(b"\r\n");
    }
    stream.write_all(&command)?;
    let mut answer = Vec::new();
    read(&mut BufReader::new(stream), &mut answer)?;
    Ok(answer.join(" "))
}

fn read(from: &mut impl BufRead, to: &mut Vec<String>) -> io::Result<()> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let line = line.trim_end();
    to.push(line.to_owned());
    let (kind, rest) = line.split_at_checked(1).unwrap_or_default();
    let length = rest.parse::<usize>();
    match (kind, length) {
        ("$", Ok(length)) => {
            let mut text = vec![0; length + 2];
            from.read_exact(&mut text)?;
            text.truncate(length);
            to.push(String::from_utf8_lossy(&text).into_owned());
        }
        ("*", Ok(length)) => {
            for _ in 0..length {
                read(from, to)?;
            }
        }
        _ => {}
    }
    Ok(())
}

const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_whole() {
        for (answer, text) in [
            ("+OK\r\n", "+OK"),
            ("$-1\r\n", "$-1"),
            ("$3\r\nabc\r\n", "$3 abc"),
            ("*2\r\n:1\r\n*1\r\n$1\r\nb\r\n", "*2 :1 *1 $1 b"),
            ("-ERR no\r\n", "-ERR no"),
        ] {
            let mut lines = Vec::new();
            read(&mut answer.as_bytes(), &mut lines).unwrap();
            assert_eq!(lines.join(" "), text);
        }
        assert!(read(&mut &b"$3\r\nab"[..], &mut Vec::new()).is_err());
        assert!(read(&mut &b""[..], &mut Vec::new()).is_err());
    }
}
