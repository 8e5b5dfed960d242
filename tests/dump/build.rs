//! Makes small dumps by hand, for what no real dump at hand has.

/// A dump in the making: streams in the order they were added.
#[derive(Debug, Clone)]
pub(crate) struct Dump {
    /// Everything behind the directory.
    body: Vec<u8>,
    directory: Vec<(u32, u32, u32)>,
}

/// Room for this many directory entries behind the header.
const STREAMS: usize = 8;
const BODY: usize = 32 + STREAMS * 12;

pub(crate) const THREADS: u32 = 3;
pub(crate) const MODULES: u32 = 4;
pub(crate) const MEMORY: u32 = 5;
pub(crate) const EXCEPTION: u32 = 6;
pub(crate) const SYSTEM: u32 = 7;
pub(crate) const NAMES: u32 = 24;
pub(crate) const STATUS: u32 = 0x4767_0004;
pub(crate) const LINUX: u32 = 0x8201;

impl Dump {
    pub(crate) fn new() -> Self {
        Self { body: Vec::new(), directory: Vec::new() }
    }

    /// Adds bytes that no directory entry points at; returns their offset.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> u32 {
        let offset = BODY + self.body.len();
        self.body.extend(bytes);
        offset.try_into().unwrap()
    }

    pub(crate) fn stream(&mut self, kind: u32, bytes: &[u8]) -> &mut Self {
        let offset = self.put(bytes);
        self.entry(kind, bytes.len().try_into().unwrap(), offset)
    }

    pub(crate) fn entry(&mut self, kind: u32, size: u32, offset: u32) -> &mut Self {
        assert!(self.directory.len() < STREAMS);
        self.directory.push((kind, size, offset));
        self
    }

    /// A text as the format has them: length in bytes, UTF-16.
    pub(crate) fn text(&mut self, text: &str) -> u32 {
        let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let length = u32::try_from(units.len()).unwrap().to_le_bytes();
        self.put(&[&length, units.as_slice(), &[0, 0]].concat())
    }

    pub(crate) fn system(&mut self, cpu: u16, platform: u32) -> &mut Self {
        let mut stream = [0; 56];
        stream[..2].copy_from_slice(&cpu.to_le_bytes());
        stream[20..24].copy_from_slice(&platform.to_le_bytes());
        self.stream(SYSTEM, &stream)
    }

    /// A crash of thread 7.
    pub(crate) fn exception(&mut self, signal: u32, code: i32, address: u64, context: &[u8]) -> &mut Self {
        let offset = self.put(context);
        let mut stream = [0; 168];
        stream[0] = 7;
        stream[8..12].copy_from_slice(&signal.to_le_bytes());
        stream[12..16].copy_from_slice(&code.to_le_bytes());
        stream[24..32].copy_from_slice(&address.to_le_bytes());
        stream[160..164].copy_from_slice(&u32::try_from(context.len()).unwrap().to_le_bytes());
        stream[164..].copy_from_slice(&offset.to_le_bytes());
        self.stream(EXCEPTION, &stream)
    }

    /// One module at 0x10000, 0x1000 bytes long.
    pub(crate) fn module(&mut self, path: &str, codeview: &[u8]) -> &mut Self {
        let name = self.text(path);
        let offset = self.put(codeview);
        let mut module = [0; 108];
        module[..8].copy_from_slice(&0x10000_u64.to_le_bytes());
        module[8..12].copy_from_slice(&0x1000_u32.to_le_bytes());
        module[20..24].copy_from_slice(&name.to_le_bytes());
        module[76..80].copy_from_slice(&u32::try_from(codeview.len()).unwrap().to_le_bytes());
        module[80..84].copy_from_slice(&offset.to_le_bytes());
        self.stream(MODULES, &[&1_u32.to_le_bytes(), module.as_slice()].concat())
    }

    /// The name of thread 7.
    pub(crate) fn thread_name(&mut self, name: &str) -> &mut Self {
        let name = u64::from(self.text(name));
        self.stream(
            NAMES,
            &[[1_u32.to_le_bytes(), 7_u32.to_le_bytes()].concat(), name.to_le_bytes().to_vec()].concat(),
        )
    }

    /// The file, dated 2026-11-22T00:00:00Z.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let count = u32::try_from(self.directory.len()).unwrap();
        let mut bytes = Vec::from(*b"MDMP");
        for field in [0xa793, count, 32, 0, 1_795_305_600, 0, 0] {
            bytes.extend(u32::to_le_bytes(field));
        }
        for (kind, size, offset) in &self.directory {
            for field in [kind, size, offset] {
                bytes.extend(field.to_le_bytes());
            }
        }
        bytes.resize(BODY, 0);
        bytes.extend(&self.body);
        bytes
    }
}

/// Registers of x86_64 with this instruction pointer.
pub(crate) fn registers(address: u64) -> Vec<u8> {
    let mut context = vec![0; 1232];
    context[248..256].copy_from_slice(&address.to_le_bytes());
    context
}
