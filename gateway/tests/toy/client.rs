use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::PATIENCE;
use super::protocol::frame;

/// A blocking client that loses patience.
pub struct Client {
    pub socket: TcpStream,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Client {
        let socket = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        Client { socket }
    }

    pub fn send(&mut self, command: u8, argument: &[u8]) {
        self.write(&frame(command, argument));
    }

    pub fn write(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).unwrap();
    }

    /// The next frame: its command and argument.
    pub fn receive(&mut self) -> (u8, Vec<u8>) {
        self.try_receive().unwrap()
    }

    pub fn try_receive(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut length = [0; 4];
        self.socket.read_exact(&mut length)?;
        let mut body = vec![0; u32::from_be_bytes(length) as usize];
        self.socket.read_exact(&mut body)?;
        Ok((body[0], body.split_off(1)))
    }

    pub fn echo(&mut self, text: &[u8]) {
        self.send(b'e', text);
        assert_eq!(self.receive(), (b'e', text.to_vec()));
    }

    pub fn call(&mut self, id: u64) {
        self.send(b'c', &id.to_be_bytes());
    }

    pub fn receive_call(&mut self) -> u64 {
        let (command, argument) = self.receive();
        assert_eq!(command, b'c');
        u64::from_be_bytes(argument.try_into().unwrap())
    }

    /// Asserts that the server closes, with nothing more to read.
    pub fn expect_close(&mut self) {
        match self.socket.read(&mut [0; 1]) {
            Ok(0) => {}
            Err(why) if why.kind() == io::ErrorKind::ConnectionReset => {}
            other => panic!("expected the server to close, got {other:?}"),
        }
    }
}
