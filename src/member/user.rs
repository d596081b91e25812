//! Who a container runs as, looked up in the container's own `/etc/passwd` and `/etc/group`.

/// The identity of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// User ID.
    pub uid: u32,
    /// Group ID.
    pub gid: u32,
    /// Supplementary groups, sorted.
    pub groups: Vec<u32>,
    /// Home folder; `/` if none is known.
    pub home: String,
}

impl User {
    /// Adds a supplementary group, by its number or its name in the text of `/etc/group`.
    ///
    /// # Errors
    /// A name that is not there, a number that is none.
    pub fn add_group(&mut self, name: &str, group: &str) -> Result<(), UserError> {
        let gid = find_group(name, group)?;
        if let Err(at) = self.groups.binary_search(&gid) {
            self.groups.insert(at, gid);
        }
        Ok(())
    }
}

/// Why a user cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    /// The name is not in the container.
    #[error(
        "there is no user `{0}` in the container's /etc/passwd; write its number, or a user that the image has"
    )]
    NoUser(String),
    /// The name is not in the container.
    #[error(
        "there is no group `{0}` in the container's /etc/group; write its number, or a group that the image has"
    )]
    NoGroup(String),
    /// Digits that are no ID.
    #[error("`{0}` is not a user or group ID: these are 0 to 4294967294")]
    Number(String),
    /// Neither of the two forms.
    #[error("`{0}` is not a user: write USER or USER:GROUP, names or numbers")]
    Form(String),
}

/// One line of `/etc/passwd`.
struct Account<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

/// The name of a user in the text of `/etc/passwd`, which comes from the image.
pub fn name(uid: u32, passwd: &str) -> Option<&str> {
    let mut accounts = passwd.lines().filter_map(account);
    accounts
        .find(|account| account.uid == uid)
        .map(|account| account.name)
}

/// Finds `user`, `uid`, `user:group` or `uid:gid`. Digits are always an ID, which needs no entry: it then has group
/// 0, as in Podman. With a group of its own a user has no supplementary groups. Both texts come from the image: lines
/// that are not what they should be are passed over.
///
/// # Errors
/// A name that is not there, a number that is none.
pub fn resolve(text: &str, passwd: &str, group: &str) -> Result<User, UserError> {
    let (user_text, group_text) = match text.split_once(':') {
        Some((user, group)) if !group.is_empty() => (user, Some(group)),
        Some((user, _)) => (user, None),
        None => (text, None),
    };
    if user_text.is_empty() || text.contains(|c: char| c.is_control()) {
        return Err(UserError::Form(text.to_owned()));
    }
    let mut accounts = passwd.lines().filter_map(account);
    let (account, uid) = match number(user_text)? {
        Some(uid) => (accounts.find(|account| account.uid == uid), uid),
        None => match accounts.find(|account| account.name == user_text) {
            Some(account) => {
                let uid = account.uid;
                (Some(account), uid)
            }
            // Images of a single program have no accounts.
            None if user_text == "root" => (None, 0),
            None => return Err(UserError::NoUser(user_text.to_owned())),
        },
    };
    let (gid, groups) = match (group_text, &account) {
        (Some(name), _) => (find_group(name, group)?, Vec::new()),
        (None, Some(account)) => (account.gid, supplementary(account.name, group)),
        (None, None) => (0, Vec::new()),
    };
    // A home that is no clean absolute path would be a way into whoever prints or splits it.
    let home = account.map(|account| account.home);
    let home = home.filter(|home| home.starts_with('/') && !home.contains(|c: char| c.is_control()));
    Ok(User {
        uid,
        gid,
        groups,
        home: home.unwrap_or("/").to_owned(),
    })
}

fn account(line: &str) -> Option<Account<'_>> {
    let mut fields = line.split(':');
    let (name, _, uid, gid, _, home) = (
        fields.next()?,
        fields.next()?,
        fields.next()?,
        fields.next()?,
        fields.next(),
        fields.next(),
    );
    let (uid, gid) = (number(uid).ok()??, number(gid).ok()??);
    (!name.is_empty()).then_some(Account {
        name,
        uid,
        gid,
        home: home.unwrap_or_default(),
    })
}

/// Name, ID and members of each group.
fn groups(group: &str) -> impl Iterator<Item = (&str, u32, &str)> {
    group.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let (name, _, gid, members) = (fields.next()?, fields.next()?, fields.next()?, fields.next());
        Some((name, number(gid).ok()??, members.unwrap_or_default()))
    })
}

fn find_group(name: &str, group: &str) -> Result<u32, UserError> {
    if let Some(gid) = number(name)? {
        return Ok(gid);
    }
    let found = groups(group)
        .find(|(known, ..)| *known == name)
        .map(|(_, gid, _)| gid);
    found.ok_or_else(|| UserError::NoGroup(name.to_owned()))
}

fn supplementary(user: &str, group: &str) -> Vec<u32> {
    let of_user =
        groups(group).filter(|(_, _, members)| members.split(',').any(|member| member.trim() == user));
    let mut found: Vec<u32> = of_user.map(|(_, gid, _)| gid).collect();
    found.sort_unstable();
    found.dedup();
    // The kernel takes no more (NGROUPS_MAX).
    found.truncate(65536);
    found
}

/// An ID if the text is all digits, nothing if it is a name.
fn number(text: &str) -> Result<Option<u32>, UserError> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(None);
    }
    // The largest number stands for "no change" in chown(2) and its like.
    match text.parse() {
        Ok(id) if id != u32::MAX => Ok(Some(id)),
        _ => Err(UserError::Number(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nbroken\n:x:5:5::/:\nwww:x:33:33:www:/var/www:/bin/false\n\
        odd:x:40:41::relative\nmax:x:4294967295:0::/:\n1000:x:7:7::/:\n";
    const GROUP: &str = "root:x:0:\nwww:x:33:\nssl:x:50:odd,www\nlogs:x:44:www\nbad:x:-1:www\n";

    fn user(text: &str) -> Result<User, UserError> {
        resolve(text, PASSWD, GROUP)
    }

    #[test]
    fn names_and_numbers() {
        let www = User {
            uid: 33,
            gid: 33,
            groups: vec![44, 50],
            home: "/var/www".to_owned(),
        };
        assert_eq!(user("www"), Ok(www.clone()));
        assert_eq!(user("33"), Ok(www.clone()));
        assert_eq!(user("www:"), Ok(www.clone()));
        assert_eq!(
            user("www:ssl"),
            Ok(User {
                gid: 50,
                groups: vec![],
                ..www.clone()
            })
        );
        assert_eq!(
            user("33:7"),
            Ok(User {
                gid: 7,
                groups: vec![],
                ..www
            })
        );
        assert_eq!(
            user("1000"),
            Ok(User {
                uid: 1000,
                gid: 0,
                groups: vec![],
                home: "/".to_owned()
            })
        );
        assert_eq!(user("odd").map(|user| user.home), Ok("/".to_owned()));
        assert_eq!(resolve("root", "", "").map(|user| user.uid), Ok(0));
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        assert_eq!(user("nobody"), Err(UserError::NoUser("nobody".to_owned())));
        assert_eq!(user("max"), Err(UserError::NoUser("max".to_owned())));
        assert_eq!(user("www:bad"), Err(UserError::NoGroup("bad".to_owned())));
        for number in ["4294967295", "4294967296", "99999999999999999999", "0:4294967295"] {
            assert!(matches!(user(number), Err(UserError::Number(_))), "{number}");
        }
        for form in ["", ":", ":0", "root\n"] {
            assert!(matches!(user(form), Err(UserError::Form(_))), "{form:?}");
        }
        for name in ["+0", "-1", "0x0", " 0", "1e3"] {
            assert!(matches!(user(name), Err(UserError::NoUser(_))), "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn hostile_files_do_no_harm(passwd in "[a-c0-9:,\n-]{0,60}", group in "[a-c0-9:,\n-]{0,60}") {
            if let Ok(user) = resolve("a", &passwd, &group) {
                prop_assert!(user.home.starts_with('/') && user.uid != u32::MAX && user.gid != u32::MAX);
            }
        }
    }
}
