//! What kind of device a browser runs on, by its user agent.
//!
//! A rule set of our own, of a page: reports need four kinds, and the libraries either carry megabytes of models
//! or know no tablets. It rests on what browser makers promise: Android says `Mobile` on phones and leaves it out
//! on tablets; iOS names the device. An iPad that asks for desktop pages says `Macintosh` and counts as a desktop,
//! as no user agent tells it from one.

use crate::domain::client::Device;

/// Televisions, sticks and game consoles.
const TV: &[&str] = &[
    "smart-tv",
    "smarttv",
    "smart tv",
    "googletv",
    "google tv",
    "android tv",
    "appletv",
    "apple tv",
    "hbbtv",
    "web0s",
    "webos.tv",
    "netcast",
    "crkey",
    "bravia",
    "roku",
    "viera",
    "playstation",
    "xbox",
    "nintendo",
    "; aft",
];
/// Tablets by name.
const TABLET: &[&str] = &["ipad", "playbook", "kindle", "; tablet", "nexus 7", "nexus 9", "nexus 10"];
/// Phones by name.
const PHONE: &[&str] = &[
    "iphone",
    "ipod",
    "windows phone",
    "iemobile",
    "blackberry",
    "bb10",
    "opera mini",
    "opera mobi",
    "kaios",
    "symbian",
    "series60",
    "nokia",
    "midp",
];
/// Desktop systems.
const DESKTOP: &[&str] = &["windows nt", "macintosh", "x11;", "cros ", "linux x86_64", "linux i686", "linux aarch64"];

/// The device of a browser.
pub(super) fn of(user_agent: &str) -> Device {
    let lower = user_agent.to_ascii_lowercase();
    let has = |list: &[&str]| list.iter().any(|text| lower.contains(text));
    // Old Windows says `Tablet PC 2.0` on any desktop.
    let is_windows = lower.contains("windows nt");
    if has(TV) || (lower.contains("tizen") && lower.contains(" tv ")) {
        Device::Tv
    } else if has(TABLET) && !is_windows {
        Device::Tablet
    } else if has(PHONE) {
        Device::Phone
    } else if lower.contains("android") {
        if lower.contains("mobile") { Device::Phone } else { Device::Tablet }
    } else if has(DESKTOP) {
        Device::Desktop
    } else if lower.contains("mobile") {
        Device::Phone
    } else {
        Device::Other
    }
}
