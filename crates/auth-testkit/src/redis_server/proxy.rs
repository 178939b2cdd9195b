use std::net::{Ipv4Addr, SocketAddr};

use tokio::{
    io::{self, AsyncReadExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// A loopback port in front of a server, which loses what it is told to lose.
///
/// Passes everything at first. Changing what it does ends the connections that it has.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    does: watch::Sender<Does>,
    task: JoinHandle<()>,
}

/// What it does with connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    Pass,
    Refuse,
    Hang,
    LoseAnswers,
}

impl FaultProxy {
    /// Starts it in front of a server.
    ///
    /// # Panics
    ///
    /// If there is no free port, or outside a tokio runtime.
    pub async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a free port on loopback");
        let address = listener.local_addr().expect("it has an address");
        let (does, seen) = watch::channel(Does::Pass);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(connection(client, server, seen.clone()));
            }
        });
        Self {
            address,
            does,
            task,
        }
    }

    /// Returns address and port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the URL of the server as seen through it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Passes everything.
    pub fn pass(&self) {
        self.does.send_replace(Does::Pass);
    }

    /// Closes new connections at once.
    pub fn refuse(&self) {
        self.does.send_replace(Does::Refuse);
    }

    /// Takes connections, and answers nothing.
    pub fn hang(&self) {
        self.does.send_replace(Does::Hang);
    }

    /// Passes what is asked, and none of the answers.
    pub fn lose_answers(&self) {
        self.does.send_replace(Does::LoseAnswers);
    }

    /// Ends the connections that there are, and goes on as before.
    pub fn cut(&self) {
        self.does.send_modify(|_| {});
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        // What it has taken ends with the channel.
        self.task.abort();
    }
}

async fn connection(mut client: TcpStream, server: SocketAddr, mut does: watch::Receiver<Does>) {
    let now = *does.borrow_and_update();
    let work = async {
        match now {
            Does::Refuse => {}
            Does::Hang => std::future::pending().await,
            Does::Pass => {
                if let Ok(mut server) = TcpStream::connect(server).await {
                    let _ = io::copy_bidirectional(&mut client, &mut server).await;
                }
            }
            Does::LoseAnswers => {
                if let Ok(mut server) = TcpStream::connect(server).await {
                    let (mut answers, mut to) = server.split();
                    let mut lost = [0; 1024];
                    let losing =
                        async { while answers.read(&mut lost).await.is_ok_and(|n| n > 0) {} };
                    let (mut asked, _answered) = client.split();
                    tokio::join!(io::copy(&mut asked, &mut to), losing).0.ok();
                }
            }
        }
    };
    tokio::select! {
        () = work => {}
        _ = does.changed() => {}
    }
}
