use super::*;
use std::fs;
use std::os::unix::fs::symlink;

#[test]
fn reading_stays_in_the_tree_and_never_blocks() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    let root = tempfile::tempdir().unwrap();
    let tree = Tree::open(root.path()).unwrap();
    fs::create_dir(root.path().join("etc")).unwrap();
    fs::write(root.path().join("etc/passwd"), "root").unwrap();
    symlink(outside.path().join("secret"), root.path().join("absolute")).unwrap();
    symlink("../../../../../../etc/passwd", root.path().join("etc/up")).unwrap();
    symlink("/etc/passwd", root.path().join("inside")).unwrap();
    symlink("/proc/self/root", root.path().join("magic")).unwrap();
    rustix::fs::mknodat(&tree, "fifo", FileType::Fifo, Mode::RUSR, 0).unwrap();

    assert_eq!(tree.read_file("/etc/passwd", 4).unwrap(), b"root");
    assert_eq!(tree.read_file("etc/up", 100).unwrap(), b"root");
    assert_eq!(tree.read_file("inside", 100).unwrap(), b"root");
    assert_eq!(
        tree.directory("etc").unwrap().read_file("passwd", 100).unwrap(),
        b"root"
    );
    assert_eq!(
        tree.read_file("etc/passwd", 3).unwrap_err().kind(),
        io::ErrorKind::FileTooLarge
    );
    assert_eq!(
        tree.read_file("absolute", 100).unwrap_err().kind(),
        io::ErrorKind::NotFound
    );
    assert_eq!(
        tree.read_file("fifo", 100).unwrap_err().kind(),
        io::ErrorKind::InvalidInput
    );
    assert_eq!(
        tree.read_file("etc", 100).unwrap_err().kind(),
        io::ErrorKind::InvalidInput
    );
    assert!(tree.read_file("magic/etc/hostname", 100).is_err());
}

#[test]
fn writing_is_refused_through_links_that_lead_out() {
    let root = tempfile::tempdir().unwrap();
    let tree = Tree::open(root.path()).unwrap();
    symlink("/tmp", root.path().join("absolute")).unwrap();
    symlink("..", root.path().join("up")).unwrap();
    symlink("usr/lib", root.path().join("lib")).unwrap();
    fs::create_dir_all(root.path().join("usr/lib")).unwrap();
    tree.make_path(Path::new("lib/a/b")).unwrap();
    assert!(root.path().join("usr/lib/a/b").is_dir());
    for out in ["absolute", "absolute/x", "up", "up/x"] {
        let error = tree.make_path(Path::new(out)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::CrossesDevices, "{out}");
    }
    for name in ["", ".", "..", "a/b"] {
        assert!(tree.make_file(OsStr::new(name)).is_err());
    }
    assert!(tree.child(OsStr::new("lib")).is_err());
}
