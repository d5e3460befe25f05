//! Channels, campaigns and links by API and command line, and every way to get one wrong.

use headwater::domain::time::Clock as _;
use headwater::jobs::edit_links::{self, LinkDraft};
use headwater::store::labels::Author;
use serde_json::json;

use crate::support::client::Reply;
use crate::support::{TestApp, binary};

/// A link, through the database alone, as another node makes it.
fn make_elsewhere(app: &TestApp, slug: &str) {
    let draft = LinkDraft {
        slug: Some(slug.into()),
        destination: "https://example.com/".into(),
        channel: "linkedin-organic".into(),
        campaign: None,
        post: None,
        title: String::new(),
        tags: Vec::new(),
        passes_query: true,
        expires_at: None,
    };
    let author = Author { name: "another node".into(), now: app.clock.now() };
    app.state().db.write_now(|conn| edit_links::create(conn, &draft, "hw_id", &author)).expect("link");
}

on_both! {
    fn a_link_is_made_listed_edited_and_archived(app) {
        let made = app.link("launch");
        assert_eq!(made["short_url"], format!("{}/launch", app.config.server.public_url));
        let id = made["id"].as_str().expect("id").to_owned();
        let listed = app.client.get("/api/v1/links?q=lau").expect(200);
        assert_eq!(listed["items"][0]["slug"], "launch");
        let edited = app.client.patch(&format!("/api/v1/links/{id}"), &json!({ "destination": "https://example.org/new", "campaign": null })).expect(200);
        assert_eq!((&edited["destination"], &edited["campaign"]), (&json!("https://example.org/new"), &json!(null)));
        let location = app.client.browse("/launch").header("location");
        assert!(location.starts_with("https://example.org/new?utm_source=linkedin&utm_medium=social&hw_id=clk_"), "{location}");
        app.client.patch(&format!("/api/v1/links/{id}"), &json!({ "archived": true })).expect(200);
        assert_eq!(app.client.browse("/launch").status, 410);
    }

    fn links_are_found_by_path_title_and_tag(app) {
        app.link("launch");
        let more = json!({ "slug": "other", "destination": "https://example.com", "channel": "linkedin-organic", "title": "Spring 100% off", "tags": ["Webinar"] });
        app.client.post("/api/v1/links", &more).expect(201);
        let found = |q: &str| -> Vec<String> {
            let list = app.client.get(&format!("/api/v1/links?q={q}")).expect(200);
            list["items"].as_array().expect("items").iter().map(|l| l["slug"].as_str().expect("slug").to_owned()).collect()
        };
        assert_eq!(found("LAUN"), ["launch"]);
        assert_eq!(found("spring"), ["other"]);
        assert_eq!(found("webinar"), ["other"]);
        assert_eq!(found("100%25"), ["other"]);
        assert_eq!(found("1__%25"), Vec::<String>::new(), "wildcards of SQL are letters here");
        assert_eq!(found("").len(), 2);
    }

    fn slugs_are_refused_with_the_reason(app) {
        app.link("taken");
        let make = |slug: &str| app.client.post("/api/v1/links", &json!({ "slug": slug, "destination": "https://example.com", "channel": "linkedin-organic" }));
        let clash = make("taken");
        assert_eq!((clash.status, clash.fault_codes()), (409, vec!["slug-taken".to_owned()]));
        for (slug, code) in [("api", "slug-reserved"), ("hooks", "slug-reserved"), ("Spring Sale", "slug-illegal"), ("a/b", "slug-illegal"), (&"x".repeat(65), "slug-length")] {
            let reply = make(slug);
            assert_eq!((reply.status, reply.fault_codes()), (422, vec![code.to_owned()]), "{slug}");
        }
        let generated = app.client.post("/api/v1/links", &json!({ "destination": "https://example.com", "channel": "linkedin-organic" })).expect(201);
        assert_eq!(generated["slug"].as_str().map(str::len), Some(7));
    }

    fn destinations_are_checked_and_our_own_tags_stripped_with_a_notice(app) {
        app.channel("linkedin-organic", "linkedin", "social");
        let make = |destination: &str| app.client.post("/api/v1/links", &json!({ "destination": destination, "channel": "linkedin-organic" }));
        for (destination, code) in [
            ("javascript:alert(1)", "destination-scheme"), ("ftp://example.com", "destination-scheme"), ("/relative", "destination-malformed"),
            ("https://u:p@example.com", "destination-credentials"), ("https://exa\tmple.com", "destination-control-characters"),
        ] {
            let reply = make(destination);
            assert_eq!((reply.status, reply.fault_codes()), (422, vec![code.to_owned()]), "{destination}");
        }
        let stripped = make("https://example.com/?utm_source=evil&hw_id=1&keep=1").expect(201);
        assert_eq!(stripped["destination"], "https://example.com/?keep=1");
        assert!(stripped["notices"][0].as_str().expect("notice").contains("utm_source, hw_id"));
        let both = app.client.post("/api/v1/links", &json!({ "slug": "API!", "destination": "ftp://x", "channel": "nobody" }));
        assert_eq!(both.fault_codes(), ["destination-scheme", "slug-illegal", "channel-unknown"], "all faults at once");
    }

    fn the_utm_vocabulary_is_enforced_with_a_suggestion(app) {
        app.client.post("/api/v1/channels", &json!({ "code": "facebook-paid", "utm_source": "facebook", "utm_medium": "paid-social" })).expect(201);
        let make = |code: &str, source: &str, medium: &str, allow: bool| app.client.post("/api/v1/channels",
            &json!({ "code": code, "utm_source": source, "utm_medium": medium, "allow_similar": allow }));
        let similar = make("fb-organic", "fb", "social", false);
        assert_eq!(similar.fault_codes(), ["near-duplicate"]);
        assert!(similar.text.contains("`facebook`"), "{}", similar.text);
        assert_eq!(make("facebook-organic", "Facebook", "social", false).fault_codes(), ["utm-illegal"]);
        assert_eq!(make("facebook-two", "facebook", "paid_social", false).fault_codes(), ["near-duplicate"]);
        assert_eq!(make("facebook-again", "facebook", "paid-social", true).status, 409, "one channel per source and medium");
        make("fb-really", "fb", "social", true).expect(201);
        app.client.post("/api/v1/campaigns", &json!({ "code": "launch-week" })).expect(201);
        let campaign = |code: &str| -> Reply { app.client.post("/api/v1/campaigns", &json!({ "code": code })) };
        assert_eq!(campaign("launch_week").fault_codes(), ["near-duplicate"]);
        assert_eq!(campaign("launch-week").status, 409);
        campaign("launch-week-2027").expect(201);
    }

    fn the_command_line_makes_what_the_server_serves(app) {
        let run = |arguments: &[&str]| binary::run_in(&app, arguments);
        run(&["channel", "create", "newsletter", "--source", "newsletter", "--medium", "email"]);
        let made = run(&["link", "create", "https://example.com/", "--channel", "newsletter", "--slug", "from-cli", "--json"]);
        assert!(made.contains("from-cli"), "{made}");
        app.state().links.refresh_if_changed().expect("refresh");
        assert_eq!(app.client.browse("/from-cli").status, 302);
        run(&["link", "archive", "from-cli"]);
        app.state().links.refresh_if_changed().expect("refresh");
        assert_eq!(app.client.browse("/from-cli").status, 410);
        assert!(run(&["link", "list"]).contains("archived"));
    }

    /// Through the database alone, as another node does it: this server's table hears of it at its next poll.
    fn a_link_made_on_another_node_redirects_at_once(app) {
        app.link("here");
        assert_eq!(app.client.browse("/there").status, 404);
        for slug in ["elsewhere-1", "elsewhere-2"] {
            make_elsewhere(&app, slug);
            let reply = app.client.browse(&format!("/{slug}?a=1"));
            assert_eq!(reply.status, 302);
            assert!(reply.header("location").starts_with("https://example.com/?utm_source=linkedin&utm_medium=social&hw_id="));
        }
        app.settle();
        let counted = app.client.get("/metrics").text;
        assert!(counted.contains("headwater_touches_stored_total 2"), "what came by the long way is recorded as well: {counted}");
    }

    /// Whoever of them looks at the database, and whatever the poller does meanwhile.
    fn all_who_click_a_new_link_at_once_are_redirected(app) {
        app.link("here");
        for round in 0..5 {
            let slug = format!("new-{round}");
            make_elsewhere(&app, &slug);
            let ready = std::sync::Barrier::new(12);
            std::thread::scope(|scope| {
                let ask = || {
                    ready.wait();
                    app.client.browse(&format!("/{slug}")).status
                };
                let asked: Vec<_> = (0..12).map(|_| scope.spawn(ask)).collect();
                for answered in asked {
                    assert_eq!(answered.join().expect("thread"), 302);
                }
            });
        }
    }

    fn the_front_answers_links_and_leaves_the_rest_to_the_routes(app) {
        app.link("known");
        for (path, status) in [("/known", 302), ("/KNOWN?x=1", 302), ("/kn%6Fwn", 302), ("/known/", 404), ("/known/x", 404),
            ("//known", 404), ("/healthz", 200), ("/t/p.gif", 200), ("/t/p.gif?l=known", 200), ("/t/P.GIF", 404)] {
            assert_eq!(app.client.browse(path).status, status, "{path}");
        }
        assert_eq!(app.client.send("POST", "/known", &[], b"").status, 404);
        let head = app.client.send("HEAD", "/known", &[], b"");
        assert_eq!((head.status, head.text.as_str()), (302, ""));
    }
}
