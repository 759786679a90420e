/** The value of the page, as `agentmeter.report.page` computes it. Amounts are decimal strings. */

export interface Money {
  amount: string;
  currency: string;
  other?: { amount: string; currency: string }[];
}

export type Usage = Record<string, number>;

export interface Attempt {
  at_us: number;
  for_us: number;
  http_status: number | null;
  error_type: string | null;
  failed: boolean;
}

export interface Line {
  meter: string;
  quantity: number;
  unit_price: string;
  amount: string;
  source: string;
  assumed: string | null;
  of: string | null;
}

export interface Call {
  provider?: string;
  model?: string;
  response_model?: string;
  operation?: string;
  response_id?: string;
  service_tier?: string;
  batch?: boolean;
  speed?: string;
  region?: string;
  deployment?: string;
  search_context?: string;
  finish_reasons?: string[];
  attempts: Attempt[];
  evidence?: Record<string, { source: string; extent: string }>;
  lines?: Line[];
  gaps: { meter: string; quantity: number | null; reason: string }[];
}

export interface Scope {
  parent: number | null;
  at_us: number;
  for_us: number;
  tokens: number;
  kind: string;
  name?: string;
  status?: string;
  error_type?: string;
  late?: boolean;
  iteration?: number;
  waste_reason?: string;
  seen_by?: string[];
  usage?: Usage;
  cost: Money;
  direct_cost: Money;
  is_leaf: boolean;
  partial: boolean;
  priced: boolean;
  call?: Call;
}

export interface Paid {
  origin: string;
  digest?: string;
  name?: string | null;
  tokens?: number;
  calls: number;
  usage: Usage;
  total_input: number;
  at_cached_rate: number;
  cost: Money;
}

export interface Gap {
  model: string | null;
  meter: string;
  quantity: number | null;
  reason: string;
}

export interface Allocation {
  name: string;
  kind: string;
  amount: string;
  currency: string;
  note: string;
}

export interface Stated {
  currency: string;
  net: string;
  tax: string;
  gross: string;
  rounding: string;
  tax_percent: string;
}

export interface Figures {
  calls?: number;
  attempts?: number;
  usage?: Usage;
  evidence?: Record<string, number>;
  cost: Money;
  total: Money;
  allocated: Money;
  allocations?: Allocation[];
  stated?: Stated;
  waste: Money & { by_reason: Record<string, Money> };
  only_observed?: number;
  lower_bound?: boolean;
  unpriced?: Gap[];
}

export interface Detail extends Figures {
  tags: Record<string, string>;
  parent_request_id: string | null;
  missing_parents: number;
  missing: string[];
  provenance: { evidence: string; by_origin: Paid[]; segments: Paid[]; untold_calls: number };
  scopes: Scope[];
}

export interface Bin {
  from: string;
  until: string;
  requests: number;
  cost: string;
}

export interface Distribution {
  currency: string;
  requests: number;
  mean: string;
  percentiles: Record<string, string>;
  max: string;
  dearest: { percent: number; requests: number; cost: string; cost_percent: string | null }[];
  free: number;
  bins: Bin[];
}

export interface GroupRow {
  key: string;
  requests: number;
  calls: number;
  tokens: number;
  cost: string;
  percent: string | null;
  waste: string;
  partial: number;
}

export interface Group {
  rows: GroupRow[];
  left_out: number;
  left_out_cost: string;
  series: string[][];
  rest: string[] | null;
  rest_keys: number;
  rest_cost: string;
}

export interface Margin {
  currency: string;
  plans: {
    plan: string;
    requests: number;
    revenue: string;
    cost: string;
    margin: string;
    margin_rate: string | null;
    losing_requests: number;
  }[];
}

export interface Report {
  made_at: string;
  currency: string;
  total: {
    cost: Money;
    allocated: Money;
    total: Money;
    stated: Stated | null;
    allocations: Allocation[];
    requests: number;
    calls: number;
    attempts: number;
    tokens: number;
    usage: Usage;
    waste: Money;
    waste_percent: string | null;
    waste_by: Record<string, Money>;
    lower_bound: boolean;
    first_at: string | null;
    last_at: string | null;
  };
  today: {
    from: string;
    cost: string;
    partial: number;
    requests: number;
    hours: string[];
    yesterday: string;
    yesterday_by_now: string;
    yesterday_hours: string[];
    change: string;
    change_percent: string | null;
  };
  distribution: Distribution;
  requests: { columns: string[]; rows: unknown[][] };
  trees: { by_id: Record<string, Detail>; left_out: number };
  over_time: { step: string; from: string[]; cost: string[] };
  groups: Record<string, Group>;
  gaps: {
    rows: (Gap & { unknown: number; requests: number })[];
    requests: number;
    requests_percent: string | null;
    lower_bound: number;
    evidence: Record<string, number>;
    only_observed: number;
    missing_scopes: number;
    missing_parents: number;
  };
  unattributed: Figures | null;
  exchange: { from: string; to: string; on: string; rate: string; source: string }[];
  faults: Record<string, number>;
  margin: Margin | null;
}

/** One row of the list of requests. */
export interface Row {
  id: string;
  name: string;
  started_at: string;
  duration_ms: number;
  user: string | null;
  tenant: string | null;
  feature: string | null;
  plan: string | null;
  status: string;
  calls: number;
  attempts: number;
  tokens: number;
  cost: string;
  other: Money | null;
  waste: string;
  lower_bound: number;
  gaps: number;
}

/** A key's own value: names from outside may be those of what every object has. */
export function own<V>(values: Record<string, V>, key: string): V | undefined {
  return Object.hasOwn(values, key) ? values[key] : undefined;
}

/** The rows of the list, from their compact form. */
export function rowsOf(report: Report): Row[] {
  const { columns, rows } = report.requests;
  return rows.map(
    (row) => Object.fromEntries(columns.map((name, at) => [name, row[at]])) as unknown as Row,
  );
}
