//! What holds for any bytes, however hostile: the bodies of the fuzz targets (`fuzz/`), run by the tests too.

use podunit::image::layer_archive::LayerArchive;
use podunit::image::manifest;
use podunit::image::unpack::{unpack, unpack_shape};
use podunit::image::{Needs, Store, config};
use podunit::model::{Paths, Reference, reference_key};
use podunit::sys::tree::{Tree, differences};
use std::io::{Read, Write};
use std::path::Path;
use tar::{Builder, EntryType, Header};

/// A folder in memory where there is one: it is filled and emptied thousands of times.
fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    match memory.is_dir() {
        true => tempfile::tempdir_in(memory).unwrap(),
        false => tempfile::tempdir().unwrap(),
    }
}

/// A layer that is unpacked can be made again bit by bit, and is the same when it is unpacked again; one that is refused
/// is refused without harm. Needs root.
pub(crate) fn layer(data: &[u8]) {
    let archive = match data.split_first() {
        Some((0, raw)) => with_checksums(raw),
        Some((_, data)) => members(data),
        None => return,
    };
    let folder = scratch();
    let canary = folder.path().join("canary");
    std::fs::write(&canary, "canary").unwrap();
    let (into, again) = (folder.path().join("layer"), folder.path().join("again"));
    std::fs::create_dir(&into).unwrap();
    std::fs::create_dir(&again).unwrap();
    let open = |path: &Path| Tree::open(path).unwrap();
    let unpacked = unpack(&archive[..], &open(&into));
    assert_eq!(std::fs::read(&canary).unwrap(), b"canary");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
    let Ok(unpacked) = unpacked else { return };
    let mut made = LayerArchive::open(open(&into)).unwrap();
    assert_eq!(made.length(), unpacked.length);
    let mut bytes = Vec::new();
    made.read_to_end(&mut bytes).unwrap();
    // What was compressed has been checked by its length only.
    assert!(bytes == archive || unpacked.length != archive.len() as u64);
    assert_eq!(unpack_shape(&bytes[..], &open(&again)).unwrap(), unpacked);
    let tree = |path: &Path| open(path).directory_without_links(Path::new("tree")).unwrap();
    let different = differences(&tree(&again), &tree(&into), 10).unwrap();
    assert!(different.is_empty(), "{different:?}");
}

/// An archive of images is loaded whole, or refused and leaves nothing. Needs root.
pub(crate) fn archive(data: &[u8]) {
    let archive = match data.split_first() {
        Some((0, raw)) => with_checksums(raw),
        Some((_, data)) => documents_in_archive(data),
        None => return,
    };
    let folder = scratch();
    let store = Store::new(&Paths::new(folder.path()));
    let loaded = store.load_archive(&archive[..], Path::new("archive"), None);
    let listed = store.list(&Needs::default()).unwrap();
    match loaded {
        Err(error) => {
            assert!(listed.is_empty());
            let text = error.to_string();
            assert!(!text.contains('\u{1b}') && !text.contains('\0'), "{text:?}");
        }
        Ok(images) => assert!(!images.is_empty() && !listed.is_empty()),
    }
    for image in store.verify(&[], |_| ()).unwrap() {
        assert!(image.damages.is_empty(), "{image:?}");
    }
}

/// Documents are read or refused.
pub(crate) fn documents(data: &[u8]) {
    if let Ok(configuration) = config::parse(data) {
        let texts = configuration.run.env.iter().chain(&configuration.run.cmd);
        assert!(texts.into_iter().all(|text| !text.contains('\0')));
        assert!(
            configuration
                .created
                .is_none_or(|time| !time.contains(char::is_control))
        );
    }
    let _ = manifest::kind(data, None);
    if let Ok(index) = manifest::read_index(data) {
        for descriptor in index.manifests() {
            let _ = manifest::read_entry(descriptor);
        }
    }
}

/// A reference reads back as what it was, and its key is a file name.
pub(crate) fn reference(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(reference) = text.parse::<Reference>() {
        let full = reference.to_string();
        assert_eq!(full.parse::<Reference>().as_ref(), Ok(&reference));
        // A tag may have two dots in it, but none is a folder.
        assert!(!full.contains("/..") && !full.contains("../") && full.is_ascii());
        let key = reference_key(&reference, None);
        assert!(key.len() == 64 && key.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
}

/// Gives each header of what may be a tar archive its right checksum: by chance none would ever have it.
fn with_checksums(raw: &[u8]) -> Vec<u8> {
    let mut archive = raw.to_owned();
    let mut at = 0;
    while let Some(block) = archive.get_mut(at..at + 512) {
        let mut header = Header::from_byte_slice(block).clone();
        header.set_cksum();
        block.copy_from_slice(header.as_bytes());
        let size = header.entry_size().unwrap_or(0).min(1 << 20);
        at += 512 + usize::try_from(size).unwrap_or(0).div_ceil(512) * 512;
    }
    archive
}

/// Bytes as choices.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::from(self.byte()) % all.len()]
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let length = (usize::from(self.byte()) % (most + 1)).min(self.0.len());
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        bytes.to_owned()
    }

    /// A path of few names, so that members meet.
    fn path(&mut self) -> String {
        const NAMES: [&str; 16] = [
            "a",
            "b",
            "c",
            "d",
            "a",
            "b",
            "c",
            "d",
            ".wh.a",
            ".wh.b",
            ".wh..wh..opq",
            ".wh..wh.x",
            ".",
            "..",
            "dev",
            "",
        ];
        let names: Vec<&str> = (0..=self.byte() % 4).map(|_| self.of(&NAMES)).collect();
        names.join("/")
    }
}

/// A layer that the bytes choose.
fn members(data: &[u8]) -> Vec<u8> {
    const KINDS: [u8; 16] = *b"0000055552112367";
    let mut choices = Choices(data);
    let mut builder = Builder::new(Vec::new());
    while !choices.0.is_empty() {
        let mut header = Header::new_ustar();
        let kind = match choices.of(&KINDS) {
            b'7' => choices.byte(),
            kind => kind,
        };
        header.set_entry_type(EntryType::new(kind));
        let (name, target) = (choices.path(), choices.path());
        let raw = header.as_old_mut();
        raw.name[..name.len()].copy_from_slice(name.as_bytes());
        raw.linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_mode(u32::from(choices.byte()) << 4);
        header.set_uid(u64::from(choices.byte() % 3));
        header.set_gid(0);
        header.set_mtime(u64::from(choices.byte()));
        if choices.byte().is_multiple_of(8) {
            let value = choices.bytes(40);
            let key = choices.of(&[
                "path",
                "linkpath",
                "size",
                "mtime",
                "uid",
                "SCHILY.xattr.user.a",
                "SCHILY.xattr.security.capability",
                "SCHILY.xattr.trusted.overlay.opaque",
            ]);
            builder.append_pax_extensions([(key, &value[..])]).unwrap();
        }
        let contents = if kind == b'0' || choices.byte().is_multiple_of(16) {
            choices.bytes(60)
        } else {
            Vec::new()
        };
        header.set_size(contents.len() as u64);
        header.set_cksum();
        builder.append(&header, &contents[..]).unwrap();
    }
    let mut archive = builder.into_inner().unwrap();
    archive
        .write_all(data.get(..data.len().min(20)).unwrap())
        .unwrap();
    archive
}

/// An archive of images whose files hold what the bytes choose.
fn documents_in_archive(data: &[u8]) -> Vec<u8> {
    const NAMES: [&str; 8] = [
        "oci-layout",
        "index.json",
        "manifest.json",
        "c.json",
        "l.tar",
        "d/l.tar",
        "blobs/sha256/x",
        "./manifest.json",
    ];
    let mut choices = Choices(data);
    let mut builder = Builder::new(Vec::new());
    while !choices.0.is_empty() {
        let mut header = Header::new_ustar();
        header.set_path(choices.of(&NAMES)).unwrap();
        let is_link = choices.byte().is_multiple_of(8);
        header.set_entry_type(if is_link {
            EntryType::Symlink
        } else {
            EntryType::Regular
        });
        header.set_link_name(choices.of(&NAMES)).unwrap();
        let contents = match choices.byte() {
            0 => br#"[{"Config":"c.json","RepoTags":["x"],"Layers":["l.tar"]}]"#.to_vec(),
            1 => br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec(),
            2 => {
                br#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#.to_vec()
            }
            3 => members(&choices.bytes(100)),
            _ => choices.bytes(255),
        };
        header.set_size(if is_link { 0 } else { contents.len() as u64 });
        header.set_mode(0o644);
        header.set_cksum();
        let contents = if is_link { &[][..] } else { &contents[..] };
        builder.append(&header, contents).unwrap();
    }
    builder.into_inner().unwrap()
}
