//! The tables, as diesel sees them on both databases.
//!
//! Kept beside `migrations/`; `tests/it/schema.rs` compares it with what the
//! migrations make on SQLite and on PostgreSQL.

diesel::table! {
    meta (name) {
        name -> Text,
        value -> Text,
    }
}

diesel::table! {
    ledger_clock (id) {
        id -> BigInt,
        last_at -> BigInt,
    }
}

diesel::table! {
    users (id) {
        id -> BigInt,
        email -> Text,
        password_hash -> Text,
        created_at -> BigInt,
        disabled_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    sessions (token_hash) {
        token_hash -> Binary,
        user_id -> BigInt,
        csrf -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::table! {
    api_keys (id) {
        id -> BigInt,
        name -> Text,
        hint -> Text,
        key_hash -> Binary,
        scopes -> Text,
        created_at -> BigInt,
        revoked_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    channels (id) {
        id -> BigInt,
        code -> Text,
        utm_source -> Text,
        utm_medium -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    campaigns (id) {
        id -> BigInt,
        code -> Text,
        utm_id -> Nullable<Text>,
        created_at -> BigInt,
    }
}

diesel::table! {
    posts (id) {
        id -> BigInt,
        code -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    label_revisions (id) {
        id -> BigInt,
        subject_kind -> Text,
        subject_id -> BigInt,
        recorded_at -> BigInt,
        effective_from -> BigInt,
        labels -> Text,
        recorded_by -> Text,
    }
}

diesel::table! {
    links (id) {
        id -> BigInt,
        slug -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    link_revisions (id) {
        id -> BigInt,
        link_id -> BigInt,
        recorded_at -> BigInt,
        effective_from -> BigInt,
        destination -> Text,
        title -> Text,
        channel_id -> BigInt,
        campaign_id -> Nullable<BigInt>,
        post_id -> Nullable<BigInt>,
        tags -> Text,
        passes_query -> Bool,
        archived -> Bool,
        expires_at -> Nullable<BigInt>,
        recorded_by -> Text,
    }
}

diesel::table! {
    batches (id) {
        id -> Binary,
        kind -> Text,
        source -> Text,
        label -> Text,
        rows_stored -> BigInt,
        recorded_at -> BigInt,
        voided_at -> Nullable<BigInt>,
        recorded_by -> Text,
    }
}

diesel::table! {
    dictionary (id) {
        id -> BigInt,
        entry -> Text,
    }
}

diesel::table! {
    touches (id) {
        id -> Binary,
        recorded_at -> BigInt,
        occurred_at -> BigInt,
        link_id -> Nullable<BigInt>,
        channel_id -> Nullable<BigInt>,
        campaign_id -> Nullable<BigInt>,
        source_hash -> Nullable<BigInt>,
        voided_at -> Nullable<BigInt>,
        class_rule_id -> Integer,
        user_agent_id -> Nullable<Integer>,
        referrer_id -> Nullable<Integer>,
        page_id -> Nullable<Integer>,
        device_id -> Integer,
        range_labels_id -> Nullable<Integer>,
        kind -> SmallInt,
        class -> SmallInt,
        signals -> Nullable<SmallInt>,
        private -> Bool,
        visitor_id -> Nullable<Binary>,
        country -> Nullable<Text>,
        source -> Nullable<Text>,
        external_id -> Nullable<Text>,
        batch_id -> Nullable<Binary>,
        network_ids -> Nullable<Text>,
    }
}

diesel::table! {
    touch_classes (touch_id, recorded_at) {
        touch_id -> Binary,
        recorded_at -> BigInt,
        class -> SmallInt,
        class_rule_id -> Integer,
        run_id -> Binary,
    }
}

diesel::table! {
    form_touches (id) {
        id -> Binary,
        recorded_at -> BigInt,
        occurred_at -> BigInt,
        voided_at -> Nullable<BigInt>,
        stage_event_id -> Binary,
        class -> SmallInt,
        class_rule_id -> Integer,
        device_id -> Integer,
        network -> Text,
        ad_id -> Nullable<Text>,
        adset_id -> Nullable<Text>,
        campaign_id -> Nullable<Text>,
        form_id -> Nullable<Text>,
    }
}

diesel::table! {
    form_touch_campaigns (touch_id, recorded_at) {
        touch_id -> Binary,
        recorded_at -> BigInt,
        platform_campaign_id -> BigInt,
    }
}

diesel::table! {
    rollup_state (id) {
        id -> BigInt,
        zone -> Nullable<Text>,
        zone_data -> Nullable<Text>,
        is_built -> Bool,
        opened_at -> BigInt,
        closed_at -> BigInt,
        open_rows -> BigInt,
        open_from -> Nullable<Binary>,
        open_to -> Nullable<Binary>,
    }
}

diesel::table! {
    rollup_epochs (id) {
        id -> Integer,
        closed_at -> BigInt,
        made_at -> BigInt,
        latest_at -> BigInt,
        touches -> BigInt,
        from_id -> Nullable<Binary>,
        to_id -> Nullable<Binary>,
    }
}

diesel::table! {
    rollup_days (day, link_id, kind, class, channel_id, campaign_id, stretch, epoch) {
        link_id -> BigInt,
        stretch -> BigInt,
        day -> Integer,
        channel_id -> Integer,
        campaign_id -> Integer,
        epoch -> Integer,
        count -> Integer,
        kind -> SmallInt,
        class -> SmallInt,
    }
}

diesel::table! {
    rollup_quarters (quarter, kind, class, channel_id, country, device_id, epoch) {
        quarter -> Integer,
        channel_id -> Integer,
        device_id -> Integer,
        epoch -> Integer,
        count -> Integer,
        kind -> SmallInt,
        class -> SmallInt,
        country -> Text,
    }
}

diesel::table! {
    endpoints (id) {
        id -> BigInt,
        name -> Text,
        token -> Text,
        secret -> Binary,
        mapping -> Text,
        currency -> Nullable<Text>,
        counts_revenue -> Bool,
        created_at -> BigInt,
        archived_at -> Nullable<BigInt>,
        preset -> Text,
        own_preset -> Nullable<Text>,
        signed_url -> Nullable<Text>,
        api_base_url -> Nullable<Text>,
        api_token -> Nullable<Binary>,
    }
}

diesel::table! {
    lookups (delivery_id, item, record, path) {
        delivery_id -> Binary,
        item -> BigInt,
        record -> Text,
        path -> Text,
        endpoint_id -> BigInt,
        attempts -> BigInt,
        due_at -> BigInt,
        answered_at -> Nullable<BigInt>,
        answer -> Nullable<Binary>,
        fault -> Nullable<Text>,
    }
}

diesel::table! {
    endpoint_refusals (endpoint_id, day, code) {
        endpoint_id -> BigInt,
        day -> BigInt,
        code -> Text,
        refused -> BigInt,
        last_at -> BigInt,
    }
}

diesel::table! {
    deliveries (id) {
        id -> Binary,
        endpoint_id -> Nullable<BigInt>,
        received_at -> BigInt,
        message_id -> Nullable<Text>,
        body -> Binary,
        source -> Text,
        method -> Text,
        content_type -> Nullable<Text>,
        bytes -> BigInt,
        head -> Nullable<Binary>,
        removed_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    delivery_items (delivery_id, item) {
        delivery_id -> Binary,
        item -> BigInt,
        verdict -> Text,
        event_id -> Nullable<Text>,
        stage_event_id -> Nullable<Binary>,
        code -> Nullable<Text>,
        detail -> Nullable<Text>,
    }
}

diesel::table! {
    stage_events (id) {
        id -> Binary,
        recorded_at -> BigInt,
        voided_at -> Nullable<BigInt>,
        source -> Text,
        event_id -> Text,
        stage -> Text,
        occurred_at -> BigInt,
        person_id -> Nullable<Binary>,
        subject -> Nullable<Text>,
        parent -> Nullable<Text>,
        value_minor -> Nullable<BigInt>,
        currency -> Nullable<Text>,
        counts_revenue -> Bool,
        content_hash -> Binary,
        batch_id -> Nullable<Binary>,
        self_reported -> Nullable<Text>,
    }
}

diesel::table! {
    identity_facts (id) {
        id -> Binary,
        recorded_at -> BigInt,
        voided_at -> Nullable<BigInt>,
        kind -> Text,
        person_id -> Binary,
        other_id -> Nullable<Binary>,
        key_kind -> Nullable<Text>,
        key_value -> Nullable<Text>,
        stage_event_id -> Nullable<Binary>,
        batch_id -> Nullable<Binary>,
        recorded_by -> Text,
        basis -> Nullable<Text>,
    }
}

diesel::table! {
    cost_entries (id) {
        id -> Binary,
        recorded_at -> BigInt,
        voided_at -> Nullable<BigInt>,
        batch_id -> Binary,
        day_from -> Text,
        day_to -> Text,
        channel_id -> Nullable<BigInt>,
        campaign_id -> Nullable<BigInt>,
        post_id -> Nullable<BigInt>,
        link_id -> Nullable<BigInt>,
        kind -> Text,
        amount_minor -> BigInt,
        currency -> Text,
        source -> Text,
        document -> Nullable<Text>,
        platform_campaign_id -> Nullable<BigInt>,
        allocation -> Nullable<Text>,
        note -> Nullable<Text>,
        worker -> Nullable<Text>,
        work_seconds -> Nullable<BigInt>,
        hourly_minor -> Nullable<BigInt>,
    }
}

diesel::table! {
    cost_schedules (id) {
        id -> Binary,
        schedule_id -> Binary,
        recorded_at -> BigInt,
        voided_at -> Nullable<BigInt>,
        batch_id -> Binary,
        effective_from -> Text,
        name -> Text,
        kind -> Text,
        first_day -> Text,
        last_day -> Nullable<Text>,
        channel_id -> Nullable<BigInt>,
        campaign_id -> Nullable<BigInt>,
        amount_minor -> BigInt,
        currency -> Text,
        allocation -> Nullable<Text>,
        document -> Nullable<Text>,
    }
}

diesel::table! {
    hourly_rates (id) {
        id -> Binary,
        recorded_at -> BigInt,
        voided_at -> Nullable<BigInt>,
        batch_id -> Binary,
        worker -> Text,
        effective_from -> Text,
        hourly_minor -> BigInt,
        currency -> Text,
    }
}

diesel::table! {
    fx_rates (id) {
        id -> Binary,
        recorded_at -> BigInt,
        voided_at -> Nullable<BigInt>,
        batch_id -> Binary,
        day -> Text,
        base -> Text,
        quote -> Text,
        value -> Text,
        source -> Text,
    }
}

diesel::table! {
    platform_accounts (id) {
        id -> BigInt,
        platform -> Text,
        name -> Text,
        source -> Text,
        currency -> Nullable<Text>,
        zone -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    platform_campaigns (id) {
        id -> BigInt,
        account_id -> BigInt,
        external_id -> Nullable<Text>,
        name -> Text,
        created_at -> BigInt,
        moved_from -> Nullable<BigInt>,
        moved_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    platform_ads (id) {
        id -> BigInt,
        platform_campaign_id -> BigInt,
        external_id -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    platform_revisions (id) {
        id -> BigInt,
        subject_kind -> Text,
        subject_id -> BigInt,
        recorded_at -> BigInt,
        effective_from -> BigInt,
        channel_id -> Nullable<BigInt>,
        campaign_id -> Nullable<BigInt>,
        recorded_by -> Text,
    }
}

diesel::table! {
    social_posts (id) {
        id -> BigInt,
        account_id -> BigInt,
        post_key -> Text,
        external_id -> Nullable<Text>,
        permalink -> Nullable<Text>,
        published_on -> Nullable<Text>,
        title -> Text,
        format -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    post_metrics (id) {
        id -> Binary,
        recorded_at -> BigInt,
        voided_at -> Nullable<BigInt>,
        batch_id -> Binary,
        social_post_id -> BigInt,
        snapshot_on -> Text,
        metric -> Text,
        value -> BigInt,
    }
}

diesel::table! {
    account_metrics (id) {
        id -> Binary,
        recorded_at -> BigInt,
        voided_at -> Nullable<BigInt>,
        batch_id -> Binary,
        account_id -> BigInt,
        platform_campaign_id -> Nullable<BigInt>,
        day -> Text,
        metric -> Text,
        value -> BigInt,
    }
}

diesel::table! {
    import_presets (id) {
        id -> BigInt,
        name -> Text,
        body -> Text,
        created_at -> BigInt,
        recorded_by -> Text,
    }
}

diesel::table! {
    import_uploads (token_hash) {
        token_hash -> Binary,
        name -> Text,
        body -> Binary,
        bytes -> BigInt,
        created_at -> BigInt,
        expires_at -> BigInt,
        created_by -> Text,
    }
}

diesel::table! {
    erasures (id) {
        id -> Binary,
        recorded_at -> BigInt,
        recorded_by -> Text,
        reason -> Nullable<Text>,
        asked -> Text,
        delivery_id -> Nullable<Binary>,
        counts -> Text,
    }
}

diesel::table! {
    erased_keys (key_hash) {
        key_hash -> Binary,
        kind -> Text,
        erased_at -> BigInt,
        fact_id -> Nullable<Binary>,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    meta,
    ledger_clock,
    users,
    sessions,
    api_keys,
    channels,
    campaigns,
    posts,
    label_revisions,
    links,
    link_revisions,
    batches,
    dictionary,
    touches,
    touch_classes,
    form_touches,
    form_touch_campaigns,
    rollup_state,
    rollup_epochs,
    rollup_days,
    rollup_quarters,
    endpoints,
    endpoint_refusals,
    deliveries,
    delivery_items,
    stage_events,
    identity_facts,
    cost_entries,
    cost_schedules,
    hourly_rates,
    fx_rates,
    platform_accounts,
    platform_campaigns,
    platform_ads,
    platform_revisions,
    social_posts,
    post_metrics,
    account_metrics,
    import_presets,
    import_uploads
);
