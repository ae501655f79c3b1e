//! A small protobuf writer: the wire types that OTLP needs, nested messages in one buffer.

/// Bytes of one message and, while they are open, of the messages inside it.
#[derive(Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value as u8) | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn key(&mut self, field: u32, wire_type: u32) {
        self.varint(u64::from((field << 3) | wire_type));
    }

    pub(crate) fn uint(&mut self, field: u32, value: u64) {
        self.key(field, 0);
        self.varint(value);
    }

    pub(crate) fn fixed64(&mut self, field: u32, value: u64) {
        self.key(field, 1);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn bytes(&mut self, field: u32, value: &[u8]) {
        self.key(field, 2);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    /// A nested message. Its length stands before it and is known after it, so the body is moved
    /// by the length's own size (one byte for most): cheaper than writing it twice.
    pub(crate) fn message(&mut self, field: u32, body: impl FnOnce(&mut Self)) {
        self.key(field, 2);
        let start = self.0.len();
        body(self);
        let length = self.0.len() - start;
        let end = self.0.len();
        self.varint(length as u64);
        let prefix = self.0.len() - end;
        if let Some(tail) = self.0.get_mut(start..) {
            tail.rotate_right(prefix);
        }
    }
}
