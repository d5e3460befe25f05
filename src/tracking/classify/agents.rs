//! Which user agents are programs. Our own list: compact, curated by hand, kept
//! here as data; additions need a real user agent in the tests.
//!
//! Needles are lower case and are sought anywhere in the lower-cased user agent;
//! one that begins with `^` only at its beginning. They are chosen against false
//! positives: the in-app browsers of the networks carry people (`FBAN/FBAV`,
//! `Instagram`, `LinkedInApp`, `musical_ly`, `[Pinterest/iOS]`, `Snapchat`,
//! `Telegram-Android`), and so do phones by Cubot.

use std::sync::LazyLock;

use crate::domain::touch::TouchClass;

/// Fetchers of link previews: somebody pasted the link; nobody has clicked it yet.
pub(super) const PREVIEWS: &[&str] = &[
    "facebookexternalhit",
    "facebot",
    "twitterbot",
    "linkedinbot",
    "slackbot-linkexpanding",
    "slack-imgproxy",
    "slackbot",
    "^whatsapp/",
    "telegrambot",
    "discordbot",
    "skypeuripreview",
    "microsoftpreview",
    "mastodon/",
    "pleroma ",
    "akkoma ",
    "misskey/",
    "cardyb",
    "iframely",
    "embedly",
    "redditbot",
    "pinterestbot",
    "^pinterest/0.",
    "vkshare",
    "snap url preview",
    "^tumblr/",
    "notionembedder",
    "synapse (bot",
    "kakaotalk-scrap",
    "line-poker",
    "link preview",
    "flipboardproxy",
];

/// Mail security that opens links to check them, where it says so.
pub(super) const SCANNERS: &[&str] = &[
    "barracuda",
    "mimecast",
    "proofpoint",
    "fireeye",
    "messagelabs",
    "forcepoint",
    "trendmicro",
    "microsoft office existence discovery",
    "virustotal",
    "urlscan",
    "phishtank",
];

/// Crawlers, monitors, HTTP libraries, headless browsers.
pub(super) const BOTS: &[&str] = &[
    // Search and answer engines
    "googlebot",
    "adsbot-google",
    "mediapartners-google",
    "apis-google",
    "feedfetcher-google",
    "google-inspectiontool",
    "googleother",
    "google-extended",
    "google-read-aloud",
    "storebot-google",
    "google-site-verification",
    "bingbot",
    "bingpreview",
    "adidxbot",
    "msnbot",
    "yahoo! slurp",
    "duckduckbot",
    "duckassistbot",
    "baiduspider",
    "yandexbot",
    "yandeximages",
    "yandexmetrika",
    "yandex.com/bots",
    "applebot",
    "amazonbot",
    "seznambot",
    "sogou web spider",
    "petalbot",
    "yeti/",
    "qwantbot",
    "exabot",
    "gptbot",
    "chatgpt-user",
    "oai-searchbot",
    "claudebot",
    "claude-user",
    "claude-web",
    "anthropic-ai",
    "perplexitybot",
    "perplexity-user",
    "ccbot",
    "bytespider",
    "tiktokspider",
    "meta-externalagent",
    "meta-externalfetcher",
    "facebookcatalog",
    "cohere-ai",
    "mistralai-user",
    "youbot",
    "diffbot",
    // Archives and marketing crawlers
    "ia_archiver",
    "archive.org_bot",
    "heritrix",
    "ahrefsbot",
    "ahrefssiteaudit",
    "semrushbot",
    "siteauditbot",
    "mj12bot",
    "dotbot",
    "rogerbot",
    "dataforseo",
    "serpstatbot",
    "blexbot",
    "screaming frog",
    "sitebulb",
    "linkdexbot",
    "barkrowler",
    "censysinspect",
    "expanse, a palo alto",
    "zgrab",
    "masscan",
    "nmap scripting",
    "nuclei",
    "l9explore",
    "internetmeasurement",
    // Monitors
    "uptimerobot",
    "pingdom",
    "statuscake",
    "site24x7",
    "newrelicpinger",
    "datadogsynthetics",
    "datadog/synthetics",
    "better uptime",
    "betterstack",
    "hetrixtools",
    "checkly",
    "uptime-kuma",
    "check_http",
    "zabbix",
    "blackbox exporter",
    "blackbox-exporter",
    "chrome-lighthouse",
    "google page speed",
    "gtmetrix",
    "kube-probe",
    "elb-healthchecker",
    "googlehc/",
    "cloudflare-healthchecks",
    "cloudflare-traffic-manager",
    "amazon-route53",
    "freshping",
    "ohdear",
    "nodeping",
    "dareboost",
    "w3c_validator",
    "w3c-checklink",
    "linkchecker",
    // HTTP libraries and tools
    "^curl/",
    "^wget/",
    "libcurl",
    "python-requests",
    "python-urllib",
    "python-httpx",
    "^python/",
    "aiohttp",
    "go-http-client",
    "^go-resty",
    "okhttp",
    "^java/",
    "apache-httpclient",
    "java-http-client",
    "jakarta commons",
    "^reactornetty",
    "libwww-perl",
    "lwp::simple",
    "^perl",
    "node-fetch",
    "^node",
    "^axios/",
    "^undici",
    "^got ",
    "guzzlehttp",
    "^php",
    "symfony httpclient",
    "wordpress/",
    "drupal (+",
    "postmanruntime",
    "^insomnia/",
    "^httpie/",
    "^ruby",
    "^faraday",
    "^http.rb",
    "^reqwest/",
    "^ureq/",
    "^hyper/",
    "^dart/",
    "^restsharp",
    "^.net",
    "windowspowershell",
    "powershell/",
    "winhttp",
    "microsoft url control",
    "^microsoft bits",
    "scrapy",
    "^colly",
    "^mechanize",
    "^typhoeus",
    "^k6/",
    "apachebench",
    "^wrk",
    "^vegeta",
    "^hey/",
    "^lua-resty",
    "^feedly/",
    "feedburner",
    "^newsblur",
    "^inoreader",
    "^tiny tiny rss",
    "^freshrss",
    "^universalfeedparser",
    // Headless and driven browsers
    "headlesschrome",
    "headless chrome",
    "phantomjs",
    "puppeteer",
    "playwright",
    "selenium",
    "webdriver",
    "cypress/",
    "slimerjs",
    "^splash/",
    "jsdom",
    "htmlunit",
    "prerender",
    "wkhtmlto",
    "browsershot",
];

/// Words that only programs have in their names, where no needle knows them.
pub(super) const GENERIC: &[&str] = &["crawl", "spider", "scraper", "+http", "bot@", "monitoring", "validator"];

/// Names that end in `bot` and are carried by people.
pub(super) const NOT_BOTS: &[&str] = &["cubot"];

/// A needle with what it tells.
struct Needle {
    class: TouchClass,
    rule: String,
    text: &'static str,
    only_at_start: bool,
}

/// All needles in their order, and those that begin with each byte: a user agent is gone through
/// once, instead of once per needle.
struct Index {
    needles: Vec<Needle>,
    by_first_byte: Vec<Vec<usize>>,
}

static INDEX: LazyLock<Index> = LazyLock::new(Index::build);

impl Index {
    fn build() -> Self {
        let tables = [
            (TouchClass::Preview, "ua-preview", PREVIEWS),
            (TouchClass::Scanner, "ua-scanner", SCANNERS),
            (TouchClass::Bot, "ua-bot", BOTS),
            (TouchClass::Bot, "ua-bot", GENERIC),
        ];
        let mut index = Self { needles: Vec::new(), by_first_byte: vec![Vec::new(); 256] };
        for (class, kind, needles) in tables {
            for needle in needles {
                let text = needle.trim_start_matches('^');
                if let Some(bucket) = text.bytes().next().and_then(|b| index.by_first_byte.get_mut(usize::from(b))) {
                    bucket.push(index.needles.len());
                }
                let rule = format!("{kind}:{}", text.trim());
                index.needles.push(Needle { class, rule, text, only_at_start: text.len() < needle.len() });
            }
        }
        index
    }
}

/// The first needle, in the order of the tables, that a lower-cased user agent contains.
pub(super) fn find(user_agent: &str) -> Option<(TouchClass, &'static str)> {
    let bytes = user_agent.as_bytes();
    let mut best: Option<usize> = None;
    for (at, byte) in bytes.iter().enumerate() {
        let (Some(rest), Some(bucket)) = (bytes.get(at..), INDEX.by_first_byte.get(usize::from(*byte))) else {
            continue;
        };
        let fits = |i: &usize| {
            INDEX.needles.get(*i).is_some_and(|n| (at == 0 || !n.only_at_start) && rest.starts_with(n.text.as_bytes()))
        };
        let found = bucket.iter().take_while(|i| best.is_none_or(|b| **i < b)).find(|i| fits(i));
        best = found.copied().or(best);
    }
    best.and_then(|i| INDEX.needles.get(i)).map(|n| (n.class, n.rule.as_str()))
}
