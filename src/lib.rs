//! podunit turns pod definitions into plain systemd units.
//!
//! Data takes one way through the house:
//!
//! ```text
//! *.pod *.container ── unitfile ── definition ──▶ model ──▶ generate ──▶ units + compiled pod (JSON)
//!                                                                            │ systemd starts
//!                       pod-X.service         supervise ◀── reads the compiled pod
//!                       pod-X-infra.service   infra, network ──▶ podunit-pause
//!                       pod-X-a.service       image, member ──▶ crun ──▶ the container's own process
//! ```
//!
//! | module | owns | may use |
//! | --- | --- | --- |
//! | [`unitfile`] | systemd's file syntax, knowing nothing of pods | nothing of ours |
//! | [`diagnostic`] | a problem with a place, and how it is shown | nothing of ours |
//! | [`sys`] | the only unsafe code: fork, namespaces, mounts, directory fds | nothing of ours |
//! | [`model`] | the resolved, validated pod: plain data | nothing of ours |
//! | [`compiled`] | the compiled pod on disk: found by name, read, checked | `model` `sys` |
//! | [`timeline`] | when the steps of a start began | `sys` |
//! | [`definition`] | files → model | `unitfile` `diagnostic` `model` `sys` |
//! | [`generate`] | model → unit files → a directory | `unitfile` `diagnostic` `model` `sys` |
//! | [`import`] | what people have from elsewhere → definitions, as text | `definition` `diagnostic` `unitfile` |
//! | [`infra`] | the namespaces of a pod | `compiled` `unitfile` `model` `sys` |
//! | [`network`] | netavark, addresses, ports, hosts file | `unitfile` `model` `sys` |
//! | [`image`] | archives, the store, unpacking | `unitfile` `model` `sys` |
//! | [`volume`] | named volumes: made, filled, mounted, removed | `model` `sys` |
//! | [`member`] | one container, until it is ready and systemd's | `compiled` `timeline` `unitfile` `model` `sys` `systemd` `volume` |
//! | [`systemd`] | all conversation with systemd: D-Bus, notify | `model` `sys` |
//! | [`supervise`] | the running pod | `compiled` `infra` `timeline` `model` `sys` `systemd` |
//! | [`update`] | newer images for running members | `compiled` `image` `model` `supervise` `sys` `systemd` |
//! | [`analyze`] | how long a start took, and why | `timeline` `model` |
//! | [`cli`] | commands; ties the others | everything |
//!
//! `tests/house.rs` holds the arrows.

pub mod analyze;
pub mod cli;
pub mod compiled;
pub mod definition;
pub mod diagnostic;
pub mod generate;
pub mod image;
pub mod import;
pub mod infra;
pub mod member;
pub mod model;
pub mod network;
pub mod supervise;
pub mod sys;
pub mod systemd;
pub mod timeline;
pub mod unitfile;
pub mod update;
pub mod volume;
