-- generated from proto/wire by `make generate`, do not edit
--
-- Nasdaq OUCH 5.0 over SoupBinTCP and TotalView-ITCH 5.0 over MoldUDP64 for Wireshark 4:
--   wireshark -X lua_script:docs/tickwire.lua -d tcp.port==26400,soupbintcp orders.pcap
-- docs/captures.md says more.

local ouch = Proto("tickwire_ouch50", "Nasdaq OUCH 5.0")
local itch = Proto("tickwire_itch50", "Nasdaq ITCH 5.0")
local appendage_length
local TOLD = {
    side = true,
    buy_sell_indicator = true,
    quantity = true,
    shares = true,
    symbol = true,
    stock = true,
    price = true,
    user_ref_num = true,
    orig_user_ref_num = true,
    reason = true,
    event_code = true,
    trading_state = true,
    order_reference_number = true,
    order_reference = true,
    match_number = true,
}
local NAMES = {
    itch50_EventCode = {
        ["O"] = "start of messages",
        ["S"] = "start of system hours",
        ["Q"] = "start of market hours",
        ["M"] = "end of market hours",
        ["E"] = "end of system hours",
        ["C"] = "end of messages",
    },
    itch50_MarketCategory = {
        ["Q"] = "nasdaq global select",
        ["G"] = "nasdaq global market",
        ["S"] = "nasdaq capital market",
        ["N"] = "nyse",
        ["A"] = "nyse american",
        ["P"] = "nyse arca",
        ["M"] = "nyse texas",
        ["Z"] = "cboe bzx",
        ["V"] = "iex",
        [" "] = "not available",
    },
    itch50_FinancialStatus = {
        ["N"] = "normal",
        ["D"] = "deficient",
        ["E"] = "delinquent",
        ["Q"] = "bankrupt",
        ["S"] = "suspended",
        ["G"] = "deficient bankrupt",
        ["H"] = "deficient delinquent",
        ["J"] = "delinquent bankrupt",
        ["K"] = "deficient delinquent bankrupt",
        ["C"] = "etp creations suspended",
        [" "] = "not available",
    },
    itch50_Flag = {
        ["Y"] = "yes",
        ["N"] = "no",
        [" "] = "not available",
    },
    itch50_Authenticity = {
        ["P"] = "production",
        ["T"] = "test",
    },
    itch50_IpoFlag = {
        ["Y"] = "new ipo",
        ["N"] = "not new ipo",
        ["Z"] = "new listing not ipo",
        [" "] = "not available",
    },
    itch50_LuldTier = {
        ["1"] = "tier 1",
        ["2"] = "tier 2",
        [" "] = "not available",
    },
    itch50_TradingState = {
        ["H"] = "halted",
        ["P"] = "paused",
        ["Q"] = "quotation only",
        ["T"] = "trading",
    },
    itch50_RegShoAction = {
        ["0"] = "no price test",
        ["1"] = "restriction starts",
        ["2"] = "restriction remains",
    },
    itch50_MarketMakerMode = {
        ["N"] = "normal",
        ["P"] = "passive",
        ["S"] = "syndicate",
        ["R"] = "pre syndicate",
        ["L"] = "penalty",
    },
    itch50_MarketParticipantState = {
        ["A"] = "active",
        ["E"] = "excused",
        ["W"] = "withdrawn",
        ["S"] = "suspended",
        ["D"] = "deleted",
    },
    itch50_BreachedLevel = {
        ["1"] = "level 1",
        ["2"] = "level 2",
        ["3"] = "level 3",
    },
    itch50_IpoReleaseQualifier = {
        ["A"] = "anticipated",
        ["C"] = "cancelled",
    },
    itch50_MarketCode = {
        ["Q"] = "nasdaq",
        ["B"] = "bx",
        ["X"] = "psx",
    },
    itch50_OperationalHaltAction = {
        ["H"] = "halted",
        ["T"] = "lifted",
    },
    itch50_Side = {
        ["B"] = "buy",
        ["S"] = "sell",
    },
    itch50_CrossType = {
        ["O"] = "opening",
        ["C"] = "closing",
        ["H"] = "halt or ipo",
        ["I"] = "intraday",
        ["A"] = "extended close",
    },
    itch50_ImbalanceDirection = {
        ["B"] = "buy",
        ["S"] = "sell",
        ["N"] = "none",
        ["O"] = "not enough orders",
        ["P"] = "paused",
    },
    itch50_PriceVariation = {
        ["L"] = "below 1 percent",
        ["1"] = "from 1 percent",
        ["2"] = "from 2 percent",
        ["3"] = "from 3 percent",
        ["4"] = "from 4 percent",
        ["5"] = "from 5 percent",
        ["6"] = "from 6 percent",
        ["7"] = "from 7 percent",
        ["8"] = "from 8 percent",
        ["9"] = "from 9 percent",
        ["A"] = "from 10 percent",
        ["B"] = "from 20 percent",
        ["C"] = "from 30 percent",
        [" "] = "not available",
    },
    itch50_InterestFlag = {
        ["B"] = "buy",
        ["S"] = "sell",
        ["A"] = "both",
        ["N"] = "none",
    },
    ouch50_codes_Side = {
        ["B"] = "buy",
        ["S"] = "sell",
        ["T"] = "sell short",
        ["E"] = "sell short exempt",
    },
    ouch50_codes_TimeInForce = {
        ["0"] = "day",
        ["3"] = "ioc",
        ["5"] = "gtx",
        ["6"] = "gtt",
        ["E"] = "after hours",
    },
    ouch50_codes_Display = {
        ["Y"] = "visible",
        ["N"] = "hidden",
        ["A"] = "attributable",
        ["Z"] = "conformant",
    },
    ouch50_codes_Capacity = {
        ["A"] = "agency",
        ["P"] = "principal",
        ["R"] = "riskless",
        ["O"] = "other",
    },
    ouch50_codes_Flag = {
        ["Y"] = "yes",
        ["N"] = "no",
        [" "] = "default",
    },
    ouch50_codes_CrossType = {
        ["N"] = "continuous",
        ["O"] = "opening",
        ["C"] = "closing",
        ["H"] = "halt or ipo",
        ["S"] = "supplemental",
        ["R"] = "retail",
        ["E"] = "extended life",
        ["A"] = "after hours close",
    },
    ouch50_codes_EventCode = {
        ["S"] = "start of day",
        ["E"] = "end of day",
    },
    ouch50_codes_OrderState = {
        ["L"] = "live",
        ["D"] = "dead",
    },
    ouch50_codes_CancelReason = {
        ["U"] = "user requested",
        ["I"] = "immediate or cancel",
        ["T"] = "time in force expired",
        ["S"] = "supervisory",
        ["D"] = "regulatory restriction",
        ["Q"] = "self match prevention",
        ["Z"] = "system",
        ["K"] = "market collars",
        ["H"] = "halted",
        ["X"] = "open protection",
        ["E"] = "closed",
        ["F"] = "post only nms",
        ["G"] = "post only contra",
        ["e"] = "direct listing exceeded",
    },
    ouch50_codes_AiqReason = {
        ["Q"] = "self match prevention",
    },
    ouch50_codes_BrokenTradeReason = {
        ["E"] = "erroneous",
        ["C"] = "consent",
        ["S"] = "supervisory",
        ["X"] = "external",
    },
    ouch50_codes_RestateReason = {
        ["R"] = "refresh of display",
        ["P"] = "displayed price changed",
    },
    ouch50_codes_CustomerType = {
        ["R"] = "retail designated",
        ["N"] = "not retail designated",
        [" "] = "default",
    },
    ouch50_codes_PriceType = {
        ["L"] = "limit",
        ["P"] = "market peg",
        ["M"] = "midpoint peg",
        ["R"] = "primary peg",
        ["Q"] = "market maker peg",
        ["m"] = "midpoint",
    },
    ouch50_codes_PostOnly = {
        ["P"] = "post only",
        ["N"] = "no",
    },
    reject_reason = {
        [1] = "quote unavailable",
        [2] = "destination closed",
        [3] = "invalid display",
        [4] = "invalid max floor",
        [5] = "invalid peg type",
        [6] = "fat finger",
        [7] = "halted",
        [8] = "iso not allowed",
        [9] = "invalid side",
        [10] = "processing error",
        [11] = "cancel pending",
        [12] = "firm not authorized",
        [13] = "invalid min quantity",
        [14] = "no closing reference price",
        [15] = "other",
        [16] = "cancel not allowed",
        [17] = "pegging not allowed",
        [18] = "crossed market",
        [19] = "invalid quantity",
        [20] = "invalid cross order",
        [21] = "replace not allowed",
        [22] = "routing not allowed",
        [23] = "invalid symbol",
        [24] = "test",
        [25] = "late loc too aggressive",
        [26] = "retail not allowed",
        [27] = "invalid midpoint post only price",
        [28] = "invalid destination",
        [29] = "invalid price",
        [30] = "shares exceed threshold",
        [31] = "exceeds maximum notional",
        [32] = "risk aggregate exposure",
        [33] = "risk market impact",
        [34] = "risk restricted stock",
        [35] = "risk short sell restricted",
        [36] = "risk iso not allowed",
        [37] = "risk exceeds adv limit",
        [38] = "risk fat finger",
        [39] = "risk locate required",
        [40] = "risk symbol message rate",
        [41] = "risk port message rate",
        [42] = "risk duplicate message rate",
        [43] = "risk short sell not allowed",
        [44] = "risk market order not allowed",
        [45] = "risk pre market not allowed",
        [46] = "risk post market not allowed",
        [47] = "risk short sell exempt not allowed",
        [48] = "risk single order notional",
        [49] = "risk max quantity",
        [50] = "reg sho state not available",
        [51] = "risk ipo market buy not allowed",
        [64] = "invalid aiq",
    },
}
local INBOUND = {
    [79] = { id = "enter_order", title = "Enter Order", size = 45, appendage = "required", fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "user_ref_num", title = "User Ref Num", offset = 1, size = 4, kind = "uint" },
        { name = "side", title = "Side", offset = 5, size = 1, kind = "text", names = NAMES.ouch50_codes_Side },
        { name = "quantity", title = "Quantity", offset = 6, size = 4, kind = "uint" },
        { name = "symbol", title = "Symbol", offset = 10, size = 8, kind = "text" },
        { name = "price", title = "Price", offset = 18, size = 8, kind = "uint", decimals = 4 },
        { name = "time_in_force", title = "Time In Force", offset = 26, size = 1, kind = "text", names = NAMES.ouch50_codes_TimeInForce },
        { name = "display", title = "Display", offset = 27, size = 1, kind = "text", names = NAMES.ouch50_codes_Display },
        { name = "capacity", title = "Capacity", offset = 28, size = 1, kind = "text", names = NAMES.ouch50_codes_Capacity },
        { name = "inter_market_sweep_eligibility", title = "Inter Market Sweep Eligibility", offset = 29, size = 1, kind = "text", names = NAMES.ouch50_codes_Flag },
        { name = "cross_type", title = "Cross Type", offset = 30, size = 1, kind = "text", names = NAMES.ouch50_codes_CrossType },
        { name = "cl_ord_id", title = "Cl Ord Id", offset = 31, size = 14, kind = "text" },
    } },
    [85] = { id = "replace_order", title = "Replace Order", size = 38, appendage = "required", fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "orig_user_ref_num", title = "Orig User Ref Num", offset = 1, size = 4, kind = "uint" },
        { name = "user_ref_num", title = "User Ref Num", offset = 5, size = 4, kind = "uint" },
        { name = "quantity", title = "Quantity", offset = 9, size = 4, kind = "uint" },
        { name = "price", title = "Price", offset = 13, size = 8, kind = "uint", decimals = 4 },
        { name = "time_in_force", title = "Time In Force", offset = 21, size = 1, kind = "text", names = NAMES.ouch50_codes_TimeInForce },
        { name = "display", title = "Display", offset = 22, size = 1, kind = "text", names = NAMES.ouch50_codes_Display },
        { name = "inter_market_sweep_eligibility", title = "Inter Market Sweep Eligibility", offset = 23, size = 1, kind = "text", names = NAMES.ouch50_codes_Flag },
        { name = "cl_ord_id", title = "Cl Ord Id", offset = 24, size = 14, kind = "text" },
    } },
    [88] = { id = "cancel_order", title = "Cancel Order", size = 9, appendage = "optional", fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "user_ref_num", title = "User Ref Num", offset = 1, size = 4, kind = "uint" },
        { name = "quantity", title = "Quantity", offset = 5, size = 4, kind = "uint" },
    } },
    [77] = { id = "modify_order", title = "Modify Order", size = 10, appendage = "optional", fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "user_ref_num", title = "User Ref Num", offset = 1, size = 4, kind = "uint" },
        { name = "side", title = "Side", offset = 5, size = 1, kind = "text", names = NAMES.ouch50_codes_Side },
        { name = "quantity", title = "Quantity", offset = 6, size = 4, kind = "uint" },
    } },
    [67] = { id = "mass_cancel", title = "Mass Cancel", size = 17, appendage = "required", fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "user_ref_num", title = "User Ref Num", offset = 1, size = 4, kind = "uint" },
        { name = "firm", title = "Firm", offset = 5, size = 4, kind = "text" },
        { name = "symbol", title = "Symbol", offset = 9, size = 8, kind = "text" },
    } },
    [68] = { id = "disable_order_entry", title = "Disable Order Entry", size = 9, appendage = "required", fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "user_ref_num", title = "User Ref Num", offset = 1, size = 4, kind = "uint" },
        { name = "firm", title = "Firm", offset = 5, size = 4, kind = "text" },
    } },
    [69] = { id = "enable_order_entry", title = "Enable Order Entry", size = 9, appendage = "required", fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "user_ref_num", title = "User Ref Num", offset = 1, size = 4, kind = "uint" },
        { name = "firm", title = "Firm", offset = 5, size = 4, kind = "text" },
    } },
    [81] = { id = "account_query", title = "Account Query", size = 1, appendage = "optional", fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
    } },
}
local OUTBOUND = {
    [83] = { id = "system_event", title = "System Event", size = 10, appendage = "none", fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "timestamp", title = "Timestamp", offset = 1, size = 8, kind = "uint", clock = true },
        { name = "event_code", title = "Event Code", offset = 9, size = 1, kind = "text", names = NAMES.ouch50_codes_EventCode },
    } },
    [65] = { id = "order_accepted", title = "Order Accepted", size = 62, appendage = "required", fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "timestamp", title = "Timestamp", offset = 1, size = 8, kind = "uint", clock = true },
        { name = "user_ref_num", title = "User Ref Num", offset = 9, size = 4, kind = "uint" },
        { name = "side", title = "Side", offset = 13, size = 1, kind = "text", names = NAMES.ouch50_codes_Side },
        { name = "quantity", title = "Quantity", offset = 14, size = 4, kind = "uint" },
        { name = "symbol", title = "Symbol", offset = 18, size = 8, kind = "text" },
        { name = "price", title = "Price", offset = 26, size = 8, kind = "uint", decimals = 4 },
        { name = "time_in_force", title = "Time In Force", offset = 34, size = 1, kind = "text", names = NAMES.ouch50_codes_TimeInForce },
        { name = "display", title = "Display", offset = 35, size = 1, kind = "text", names = NAMES.ouch50_codes_Display },
        { name = "order_reference_number", title = "Order Reference Number", offset = 36, size = 8, kind = "uint" },
        { name = "capacity", title = "Capacity", offset = 44, size = 1, kind = "text", names = NAMES.ouch50_codes_Capacity },
        { name = "inter_market_sweep_eligibility", title = "Inter Market Sweep Eligibility", offset = 45, size = 1, kind = "text", names = NAMES.ouch50_codes_Flag },
        { name = "cross_type", title = "Cross Type", offset = 46, size = 1, kind = "text", names = NAMES.ouch50_codes_CrossType },
        { name = "order_state", title = "Order State", offset = 47, size = 1, kind = "text", names = NAMES.ouch50_codes_OrderState },
        { name = "cl_ord_id", title = "Cl Ord Id", offset = 48, size = 14, kind = "text" },
    } },
    [85] = { id = "order_replaced", title = "Order Replaced", size = 66, appendage = "required", fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "timestamp", title = "Timestamp", offset = 1, size = 8, kind = "uint", clock = true },
        { name = "orig_user_ref_num", title = "Orig User Ref Num", offset = 9, size = 4, kind = "uint" },
        { name = "user_ref_num", title = "User Ref Num", offset = 13, size = 4, kind = "uint" },
        { name = "side", title = "Side", offset = 17, size = 1, kind = "text", names = NAMES.ouch50_codes_Side },
        { name = "quantity", title = "Quantity", offset = 18, size = 4, kind = "uint" },
        { name = "symbol", title = "Symbol", offset = 22, size = 8, kind = "text" },
        { name = "price", title = "Price", offset = 30, size = 8, kind = "uint", decimals = 4 },
        { name = "time_in_force", title = "Time In Force", offset = 38, size = 1, kind = "text", names = NAMES.ouch50_codes_TimeInForce },
        { name = "display", title = "Display", offset = 39, size = 1, kind = "text", names = NAMES.ouch50_codes_Display },
        { name = "order_reference_number", title = "Order Reference Number", offset = 40, size = 8, kind = "uint" },
        { name = "capacity", title = "Capacity", offset = 48, size = 1, kind = "text", names = NAMES.ouch50_codes_Capacity },
        { name = "inter_market_sweep_eligibility", title = "Inter Market Sweep Eligibility", offset = 49, size = 1, kind = "text", names = NAMES.ouch50_codes_Flag },
        { name = "cross_type", title = "Cross Type", offset = 50, size = 1, kind = "text", names = NAMES.ouch50_codes_CrossType },
        { name = "order_state", title = "Order State", offset = 51, size = 1, kind = "text", names = NAMES.ouch50_codes_OrderState },
        { name = "cl_ord_id", title = "Cl Ord Id", offset = 52, size = 14, kind = "text" },
    } },
    [67] = { id = "order_canceled", title = "Order Canceled", size = 18, appendage = "optional", fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "timestamp", title = "Timestamp", offset = 1, size = 8, kind = "uint", clock = true },
        { name = "user_ref_num", title = "User Ref Num", offset = 9, size = 4, kind = "uint" },
        { name = "quantity", title = "Quantity", offset = 13, size = 4, kind = "uint" },
        { name = "reason", title = "Reason", offset = 17, size = 1, kind = "text", names = NAMES.ouch50_codes_CancelReason },
    } },
    [68] = { id = "aiq_canceled", title = "Aiq Canceled", size = 32, appendage = "optional", fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "timestamp", title = "Timestamp", offset = 1, size = 8, kind = "uint", clock = true },
        { name = "user_ref_num", title = "User Ref Num", offset = 9, size = 4, kind = "uint" },
        { name = "decrement_shares", title = "Decrement Shares", offset = 13, size = 4, kind = "uint" },
        { name = "reason", title = "Reason", offset = 17, size = 1, kind = "text", names = NAMES.ouch50_codes_AiqReason },
        { name = "quantity_prevented_from_trading", title = "Quantity Prevented From Trading", offset = 18, size = 4, kind = "uint" },
        { name = "execution_price", title = "Execution Price", offset = 22, size = 8, kind = "uint", decimals = 4 },
        { name = "liquidity_flag", title = "Liquidity Flag", offset = 30, size = 1, kind = "text" },
        { name = "aiq_strategy", title = "Aiq Strategy", offset = 31, size = 1, kind = "text" },
    } },
    [69] = { id = "order_executed", title = "Order Executed", size = 34, appendage = "required", fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "timestamp", title = "Timestamp", offset = 1, size = 8, kind = "uint", clock = true },
        { name = "user_ref_num", title = "User Ref Num", offset = 9, size = 4, kind = "uint" },
        { name = "quantity", title = "Quantity", offset = 13, size = 4, kind = "uint" },
        { name = "price", title = "Price", offset = 17, size = 8, kind = "uint", decimals = 4 },
        { name = "liquidity_flag", title = "Liquidity Flag", offset = 25, size = 1, kind = "text" },
        { name = "match_number", title = "Match Number", offset = 26, size = 8, kind = "uint" },
    } },
    [66] = { id = "broken_trade", title = "Broken Trade", size = 36, appendage = "optional", fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "timestamp", title = "Timestamp", offset = 1, size = 8, kind = "uint", clock = true },
        { name = "user_ref_num", title = "User Ref Num", offset = 9, size = 4, kind = "uint" },
        { name = "match_number", title = "Match Number", offset = 13, size = 8, kind = "uint" },
        { name = "reason", title = "Reason", offset = 21, size = 1, kind = "text", names = NAMES.ouch50_codes_BrokenTradeReason },
        { name = "cl_ord_id", title = "Cl Ord Id", offset = 22, size = 14, kind = "text" },
    } },
    [74] = { id = "rejected", title = "Rejected", size = 29, appendage = "optional", fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "timestamp", title = "Timestamp", offset = 1, size = 8, kind = "uint", clock = true },
        { name = "user_ref_num", title = "User Ref Num", offset = 9, size = 4, kind = "uint" },
        { name = "reason", title = "Reason", offset = 13, size = 2, kind = "uint", names = NAMES.reject_reason },
        { name = "cl_ord_id", title = "Cl Ord Id", offset = 15, size = 14, kind = "text" },
    } },
    [80] = { id = "cancel_pending", title = "Cancel Pending", size = 13, appendage = "optional", fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "timestamp", title = "Timestamp", offset = 1, size = 8, kind = "uint", clock = true },
        { name = "user_ref_num", title = "User Ref Num", offset = 9, size = 4, kind = "uint" },
    } },
    [73] = { id = "cancel_reject", title = "Cancel Reject", size = 13, appendage = "optional", fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "timestamp", title = "Timestamp", offset = 1, size = 8, kind = "uint", clock = true },
        { name = "user_ref_num", title = "User Ref Num", offset = 9, size = 4, kind = "uint" },
    } },
    [84] = { id = "order_priority_update", title = "Order Priority Update", size = 30, appendage = "optional", fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "timestamp", title = "Timestamp", offset = 1, size = 8, kind = "uint", clock = true },
        { name = "user_ref_num", title = "User Ref Num", offset = 9, size = 4, kind = "uint" },
        { name = "price", title = "Price", offset = 13, size = 8, kind = "uint", decimals = 4 },
        { name = "display", title = "Display", offset = 21, size = 1, kind = "text", names = NAMES.ouch50_codes_Display },
        { name = "order_reference_number", title = "Order Reference Number", offset = 22, size = 8, kind = "uint" },
    } },
    [77] = { id = "order_modified", title = "Order Modified", size = 18, appendage = "optional", fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "timestamp", title = "Timestamp", offset = 1, size = 8, kind = "uint", clock = true },
        { name = "user_ref_num", title = "User Ref Num", offset = 9, size = 4, kind = "uint" },
        { name = "side", title = "Side", offset = 13, size = 1, kind = "text", names = NAMES.ouch50_codes_Side },
        { name = "quantity", title = "Quantity", offset = 14, size = 4, kind = "uint" },
    } },
    [82] = { id = "order_restated", title = "Order Restated", size = 14, appendage = "required", fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "timestamp", title = "Timestamp", offset = 1, size = 8, kind = "uint", clock = true },
        { name = "user_ref_num", title = "User Ref Num", offset = 9, size = 4, kind = "uint" },
        { name = "reason", title = "Reason", offset = 13, size = 1, kind = "text", names = NAMES.ouch50_codes_RestateReason },
    } },
    [88] = { id = "mass_cancel_response", title = "Mass Cancel Response", size = 25, appendage = "required", fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "timestamp", title = "Timestamp", offset = 1, size = 8, kind = "uint", clock = true },
        { name = "user_ref_num", title = "User Ref Num", offset = 9, size = 4, kind = "uint" },
        { name = "firm", title = "Firm", offset = 13, size = 4, kind = "text" },
        { name = "symbol", title = "Symbol", offset = 17, size = 8, kind = "text" },
    } },
    [71] = { id = "disable_order_entry_response", title = "Disable Order Entry Response", size = 17, appendage = "required", fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "timestamp", title = "Timestamp", offset = 1, size = 8, kind = "uint", clock = true },
        { name = "user_ref_num", title = "User Ref Num", offset = 9, size = 4, kind = "uint" },
        { name = "firm", title = "Firm", offset = 13, size = 4, kind = "text" },
    } },
    [75] = { id = "enable_order_entry_response", title = "Enable Order Entry Response", size = 17, appendage = "required", fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "timestamp", title = "Timestamp", offset = 1, size = 8, kind = "uint", clock = true },
        { name = "user_ref_num", title = "User Ref Num", offset = 9, size = 4, kind = "uint" },
        { name = "firm", title = "Firm", offset = 13, size = 4, kind = "text" },
    } },
    [81] = { id = "account_query_response", title = "Account Query Response", size = 13, appendage = "optional", fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "timestamp", title = "Timestamp", offset = 1, size = 8, kind = "uint", clock = true },
        { name = "next_user_ref_num", title = "Next User Ref Num", offset = 9, size = 4, kind = "uint" },
    } },
}
local OPTIONS = {
    [1] = { id = "option", title = "Secondary Ord Ref Num", size = 8, fields = {
        { name = "secondary_ord_ref_num", title = "Secondary Ord Ref Num", offset = 0, size = 8, kind = "uint" },
    } },
    [2] = { id = "option", title = "Firm", size = 4, fields = {
        { name = "firm", title = "Firm", offset = 0, size = 4, kind = "text" },
    } },
    [3] = { id = "option", title = "Min Qty", size = 4, fields = {
        { name = "min_qty", title = "Min Qty", offset = 0, size = 4, kind = "uint" },
    } },
    [4] = { id = "option", title = "Customer Type", size = 1, fields = {
        { name = "customer_type", title = "Customer Type", offset = 0, size = 1, kind = "text", names = NAMES.ouch50_codes_CustomerType },
    } },
    [5] = { id = "option", title = "Max Floor", size = 4, fields = {
        { name = "max_floor", title = "Max Floor", offset = 0, size = 4, kind = "uint" },
    } },
    [6] = { id = "option", title = "Price Type", size = 1, fields = {
        { name = "price_type", title = "Price Type", offset = 0, size = 1, kind = "text", names = NAMES.ouch50_codes_PriceType },
    } },
    [7] = { id = "option", title = "Peg Offset", size = 4, fields = {
        { name = "peg_offset", title = "Peg Offset", offset = 0, size = 4, kind = "sint", decimals = 4 },
    } },
    [9] = { id = "option", title = "Discretion Price", size = 8, fields = {
        { name = "discretion_price", title = "Discretion Price", offset = 0, size = 8, kind = "uint", decimals = 4 },
    } },
    [10] = { id = "option", title = "Discretion Price Type", size = 1, fields = {
        { name = "discretion_price_type", title = "Discretion Price Type", offset = 0, size = 1, kind = "text", names = NAMES.ouch50_codes_PriceType },
    } },
    [11] = { id = "option", title = "Discretion Peg Offset", size = 4, fields = {
        { name = "discretion_peg_offset", title = "Discretion Peg Offset", offset = 0, size = 4, kind = "sint", decimals = 4 },
    } },
    [12] = { id = "option", title = "Post Only", size = 1, fields = {
        { name = "post_only", title = "Post Only", offset = 0, size = 1, kind = "text", names = NAMES.ouch50_codes_PostOnly },
    } },
    [13] = { id = "option", title = "Random Reserves", size = 4, fields = {
        { name = "random_reserves", title = "Random Reserves", offset = 0, size = 4, kind = "uint" },
    } },
    [14] = { id = "option", title = "Route", size = 4, fields = {
        { name = "route", title = "Route", offset = 0, size = 4, kind = "text" },
    } },
    [15] = { id = "option", title = "Expire Time", size = 4, fields = {
        { name = "expire_time", title = "Expire Time", offset = 0, size = 4, kind = "uint" },
    } },
    [16] = { id = "option", title = "Trade Now", size = 1, fields = {
        { name = "trade_now", title = "Trade Now", offset = 0, size = 1, kind = "text", names = NAMES.ouch50_codes_Flag },
    } },
    [17] = { id = "option", title = "Handle Inst", size = 1, fields = {
        { name = "handle_inst", title = "Handle Inst", offset = 0, size = 1, kind = "text" },
    } },
    [18] = { id = "option", title = "Bbo Weight Indicator", size = 1, fields = {
        { name = "bbo_weight_indicator", title = "Bbo Weight Indicator", offset = 0, size = 1, kind = "text" },
    } },
    [22] = { id = "option", title = "Display Quantity", size = 4, fields = {
        { name = "display_quantity", title = "Display Quantity", offset = 0, size = 4, kind = "uint" },
    } },
    [23] = { id = "option", title = "Display Price", size = 8, fields = {
        { name = "display_price", title = "Display Price", offset = 0, size = 8, kind = "uint", decimals = 4 },
    } },
    [24] = { id = "option", title = "Group Id", size = 2, fields = {
        { name = "group_id", title = "Group Id", offset = 0, size = 2, kind = "uint" },
    } },
    [25] = { id = "option", title = "Shares Located", size = 1, fields = {
        { name = "shares_located", title = "Shares Located", offset = 0, size = 1, kind = "text", names = NAMES.ouch50_codes_Flag },
    } },
    [26] = { id = "option", title = "Locate Broker", size = 4, fields = {
        { name = "locate_broker", title = "Locate Broker", offset = 0, size = 4, kind = "text" },
    } },
    [27] = { id = "option", title = "Side", size = 1, fields = {
        { name = "side", title = "Side", offset = 0, size = 1, kind = "text", names = NAMES.ouch50_codes_Side },
    } },
    [28] = { id = "option", title = "User Ref Idx", size = 1, fields = {
        { name = "user_ref_idx", title = "User Ref Idx", offset = 0, size = 1, kind = "uint" },
    } },
    [29] = { id = "option", title = "Aiq Strategy", size = 1, fields = {
        { name = "aiq_strategy", title = "Aiq Strategy", offset = 0, size = 1, kind = "text" },
    } },
    [30] = { id = "option", title = "Aiq Group Id", size = 2, fields = {
        { name = "aiq_group_id", title = "Aiq Group Id", offset = 0, size = 2, kind = "text" },
    } },
}
local ITCH = {
    [83] = { id = "system_event", title = "System Event", size = 12, fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "stock_locate", title = "Stock Locate", offset = 1, size = 2, kind = "uint" },
        { name = "tracking_number", title = "Tracking Number", offset = 3, size = 2, kind = "uint" },
        { name = "timestamp", title = "Timestamp", offset = 5, size = 6, kind = "uint", clock = true },
        { name = "event_code", title = "Event Code", offset = 11, size = 1, kind = "text", names = NAMES.itch50_EventCode },
    } },
    [82] = { id = "stock_directory", title = "Stock Directory", size = 39, fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "stock_locate", title = "Stock Locate", offset = 1, size = 2, kind = "uint" },
        { name = "tracking_number", title = "Tracking Number", offset = 3, size = 2, kind = "uint" },
        { name = "timestamp", title = "Timestamp", offset = 5, size = 6, kind = "uint", clock = true },
        { name = "stock", title = "Stock", offset = 11, size = 8, kind = "text" },
        { name = "market_category", title = "Market Category", offset = 19, size = 1, kind = "text", names = NAMES.itch50_MarketCategory },
        { name = "financial_status_indicator", title = "Financial Status Indicator", offset = 20, size = 1, kind = "text", names = NAMES.itch50_FinancialStatus },
        { name = "round_lot_size", title = "Round Lot Size", offset = 21, size = 4, kind = "uint" },
        { name = "round_lots_only", title = "Round Lots Only", offset = 25, size = 1, kind = "text", names = NAMES.itch50_Flag },
        { name = "issue_classification", title = "Issue Classification", offset = 26, size = 1, kind = "text" },
        { name = "issue_sub_type", title = "Issue Sub Type", offset = 27, size = 2, kind = "text" },
        { name = "authenticity", title = "Authenticity", offset = 29, size = 1, kind = "text", names = NAMES.itch50_Authenticity },
        { name = "short_sale_threshold_indicator", title = "Short Sale Threshold Indicator", offset = 30, size = 1, kind = "text", names = NAMES.itch50_Flag },
        { name = "ipo_flag", title = "Ipo Flag", offset = 31, size = 1, kind = "text", names = NAMES.itch50_IpoFlag },
        { name = "luld_reference_price_tier", title = "Luld Reference Price Tier", offset = 32, size = 1, kind = "text", names = NAMES.itch50_LuldTier },
        { name = "etp_flag", title = "Etp Flag", offset = 33, size = 1, kind = "text", names = NAMES.itch50_Flag },
        { name = "etp_leverage_factor", title = "Etp Leverage Factor", offset = 34, size = 4, kind = "uint" },
        { name = "inverse_indicator", title = "Inverse Indicator", offset = 38, size = 1, kind = "text", names = NAMES.itch50_Flag },
    } },
    [72] = { id = "stock_trading_action", title = "Stock Trading Action", size = 25, fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "stock_locate", title = "Stock Locate", offset = 1, size = 2, kind = "uint" },
        { name = "tracking_number", title = "Tracking Number", offset = 3, size = 2, kind = "uint" },
        { name = "timestamp", title = "Timestamp", offset = 5, size = 6, kind = "uint", clock = true },
        { name = "stock", title = "Stock", offset = 11, size = 8, kind = "text" },
        { name = "trading_state", title = "Trading State", offset = 19, size = 1, kind = "text", names = NAMES.itch50_TradingState },
        { name = "reserved", title = "Reserved", offset = 20, size = 1, kind = "text" },
        { name = "reason", title = "Reason", offset = 21, size = 4, kind = "text" },
    } },
    [89] = { id = "reg_sho_restriction", title = "Reg Sho Restriction", size = 20, fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "stock_locate", title = "Stock Locate", offset = 1, size = 2, kind = "uint" },
        { name = "tracking_number", title = "Tracking Number", offset = 3, size = 2, kind = "uint" },
        { name = "timestamp", title = "Timestamp", offset = 5, size = 6, kind = "uint", clock = true },
        { name = "stock", title = "Stock", offset = 11, size = 8, kind = "text" },
        { name = "reg_sho_action", title = "Reg Sho Action", offset = 19, size = 1, kind = "text", names = NAMES.itch50_RegShoAction },
    } },
    [76] = { id = "market_participant_position", title = "Market Participant Position", size = 26, fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "stock_locate", title = "Stock Locate", offset = 1, size = 2, kind = "uint" },
        { name = "tracking_number", title = "Tracking Number", offset = 3, size = 2, kind = "uint" },
        { name = "timestamp", title = "Timestamp", offset = 5, size = 6, kind = "uint", clock = true },
        { name = "mpid", title = "Mpid", offset = 11, size = 4, kind = "text" },
        { name = "stock", title = "Stock", offset = 15, size = 8, kind = "text" },
        { name = "primary_market_maker", title = "Primary Market Maker", offset = 23, size = 1, kind = "text", names = NAMES.itch50_Flag },
        { name = "market_maker_mode", title = "Market Maker Mode", offset = 24, size = 1, kind = "text", names = NAMES.itch50_MarketMakerMode },
        { name = "market_participant_state", title = "Market Participant State", offset = 25, size = 1, kind = "text", names = NAMES.itch50_MarketParticipantState },
    } },
    [86] = { id = "mwcb_decline_level", title = "Mwcb Decline Level", size = 35, fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "stock_locate", title = "Stock Locate", offset = 1, size = 2, kind = "uint" },
        { name = "tracking_number", title = "Tracking Number", offset = 3, size = 2, kind = "uint" },
        { name = "timestamp", title = "Timestamp", offset = 5, size = 6, kind = "uint", clock = true },
        { name = "level_1", title = "Level 1", offset = 11, size = 8, kind = "uint" },
        { name = "level_2", title = "Level 2", offset = 19, size = 8, kind = "uint" },
        { name = "level_3", title = "Level 3", offset = 27, size = 8, kind = "uint" },
    } },
    [87] = { id = "mwcb_status", title = "Mwcb Status", size = 12, fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "stock_locate", title = "Stock Locate", offset = 1, size = 2, kind = "uint" },
        { name = "tracking_number", title = "Tracking Number", offset = 3, size = 2, kind = "uint" },
        { name = "timestamp", title = "Timestamp", offset = 5, size = 6, kind = "uint", clock = true },
        { name = "breached_level", title = "Breached Level", offset = 11, size = 1, kind = "text", names = NAMES.itch50_BreachedLevel },
    } },
    [75] = { id = "ipo_quoting_period_update", title = "Ipo Quoting Period Update", size = 28, fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "stock_locate", title = "Stock Locate", offset = 1, size = 2, kind = "uint" },
        { name = "tracking_number", title = "Tracking Number", offset = 3, size = 2, kind = "uint" },
        { name = "timestamp", title = "Timestamp", offset = 5, size = 6, kind = "uint", clock = true },
        { name = "stock", title = "Stock", offset = 11, size = 8, kind = "text" },
        { name = "ipo_quotation_release_time", title = "Ipo Quotation Release Time", offset = 19, size = 4, kind = "uint" },
        { name = "ipo_quotation_release_qualifier", title = "Ipo Quotation Release Qualifier", offset = 23, size = 1, kind = "text", names = NAMES.itch50_IpoReleaseQualifier },
        { name = "ipo_price", title = "Ipo Price", offset = 24, size = 4, kind = "uint", decimals = 4 },
    } },
    [74] = { id = "luld_auction_collar", title = "Luld Auction Collar", size = 35, fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "stock_locate", title = "Stock Locate", offset = 1, size = 2, kind = "uint" },
        { name = "tracking_number", title = "Tracking Number", offset = 3, size = 2, kind = "uint" },
        { name = "timestamp", title = "Timestamp", offset = 5, size = 6, kind = "uint", clock = true },
        { name = "stock", title = "Stock", offset = 11, size = 8, kind = "text" },
        { name = "auction_collar_reference_price", title = "Auction Collar Reference Price", offset = 19, size = 4, kind = "uint", decimals = 4 },
        { name = "upper_auction_collar_price", title = "Upper Auction Collar Price", offset = 23, size = 4, kind = "uint", decimals = 4 },
        { name = "lower_auction_collar_price", title = "Lower Auction Collar Price", offset = 27, size = 4, kind = "uint", decimals = 4 },
        { name = "auction_collar_extension", title = "Auction Collar Extension", offset = 31, size = 4, kind = "uint" },
    } },
    [104] = { id = "operational_halt", title = "Operational Halt", size = 21, fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "stock_locate", title = "Stock Locate", offset = 1, size = 2, kind = "uint" },
        { name = "tracking_number", title = "Tracking Number", offset = 3, size = 2, kind = "uint" },
        { name = "timestamp", title = "Timestamp", offset = 5, size = 6, kind = "uint", clock = true },
        { name = "stock", title = "Stock", offset = 11, size = 8, kind = "text" },
        { name = "market_code", title = "Market Code", offset = 19, size = 1, kind = "text", names = NAMES.itch50_MarketCode },
        { name = "operational_halt_action", title = "Operational Halt Action", offset = 20, size = 1, kind = "text", names = NAMES.itch50_OperationalHaltAction },
    } },
    [65] = { id = "add_order", title = "Add Order", size = 36, fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "stock_locate", title = "Stock Locate", offset = 1, size = 2, kind = "uint" },
        { name = "tracking_number", title = "Tracking Number", offset = 3, size = 2, kind = "uint" },
        { name = "timestamp", title = "Timestamp", offset = 5, size = 6, kind = "uint", clock = true },
        { name = "order_reference_number", title = "Order Reference Number", offset = 11, size = 8, kind = "uint" },
        { name = "buy_sell_indicator", title = "Buy Sell Indicator", offset = 19, size = 1, kind = "text", names = NAMES.itch50_Side },
        { name = "shares", title = "Shares", offset = 20, size = 4, kind = "uint" },
        { name = "stock", title = "Stock", offset = 24, size = 8, kind = "text" },
        { name = "price", title = "Price", offset = 32, size = 4, kind = "uint", decimals = 4 },
    } },
    [70] = { id = "add_order_mpid", title = "Add Order Mpid", size = 40, fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "stock_locate", title = "Stock Locate", offset = 1, size = 2, kind = "uint" },
        { name = "tracking_number", title = "Tracking Number", offset = 3, size = 2, kind = "uint" },
        { name = "timestamp", title = "Timestamp", offset = 5, size = 6, kind = "uint", clock = true },
        { name = "order_reference_number", title = "Order Reference Number", offset = 11, size = 8, kind = "uint" },
        { name = "buy_sell_indicator", title = "Buy Sell Indicator", offset = 19, size = 1, kind = "text", names = NAMES.itch50_Side },
        { name = "shares", title = "Shares", offset = 20, size = 4, kind = "uint" },
        { name = "stock", title = "Stock", offset = 24, size = 8, kind = "text" },
        { name = "price", title = "Price", offset = 32, size = 4, kind = "uint", decimals = 4 },
        { name = "attribution", title = "Attribution", offset = 36, size = 4, kind = "text" },
    } },
    [69] = { id = "order_executed", title = "Order Executed", size = 31, fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "stock_locate", title = "Stock Locate", offset = 1, size = 2, kind = "uint" },
        { name = "tracking_number", title = "Tracking Number", offset = 3, size = 2, kind = "uint" },
        { name = "timestamp", title = "Timestamp", offset = 5, size = 6, kind = "uint", clock = true },
        { name = "order_reference_number", title = "Order Reference Number", offset = 11, size = 8, kind = "uint" },
        { name = "executed_shares", title = "Executed Shares", offset = 19, size = 4, kind = "uint" },
        { name = "match_number", title = "Match Number", offset = 23, size = 8, kind = "uint" },
    } },
    [67] = { id = "order_executed_with_price", title = "Order Executed With Price", size = 36, fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "stock_locate", title = "Stock Locate", offset = 1, size = 2, kind = "uint" },
        { name = "tracking_number", title = "Tracking Number", offset = 3, size = 2, kind = "uint" },
        { name = "timestamp", title = "Timestamp", offset = 5, size = 6, kind = "uint", clock = true },
        { name = "order_reference_number", title = "Order Reference Number", offset = 11, size = 8, kind = "uint" },
        { name = "executed_shares", title = "Executed Shares", offset = 19, size = 4, kind = "uint" },
        { name = "match_number", title = "Match Number", offset = 23, size = 8, kind = "uint" },
        { name = "printable", title = "Printable", offset = 31, size = 1, kind = "text", names = NAMES.itch50_Flag },
        { name = "execution_price", title = "Execution Price", offset = 32, size = 4, kind = "uint", decimals = 4 },
    } },
    [88] = { id = "order_cancel", title = "Order Cancel", size = 23, fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "stock_locate", title = "Stock Locate", offset = 1, size = 2, kind = "uint" },
        { name = "tracking_number", title = "Tracking Number", offset = 3, size = 2, kind = "uint" },
        { name = "timestamp", title = "Timestamp", offset = 5, size = 6, kind = "uint", clock = true },
        { name = "order_reference_number", title = "Order Reference Number", offset = 11, size = 8, kind = "uint" },
        { name = "cancelled_shares", title = "Cancelled Shares", offset = 19, size = 4, kind = "uint" },
    } },
    [68] = { id = "order_delete", title = "Order Delete", size = 19, fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "stock_locate", title = "Stock Locate", offset = 1, size = 2, kind = "uint" },
        { name = "tracking_number", title = "Tracking Number", offset = 3, size = 2, kind = "uint" },
        { name = "timestamp", title = "Timestamp", offset = 5, size = 6, kind = "uint", clock = true },
        { name = "order_reference_number", title = "Order Reference Number", offset = 11, size = 8, kind = "uint" },
    } },
    [85] = { id = "order_replace", title = "Order Replace", size = 35, fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "stock_locate", title = "Stock Locate", offset = 1, size = 2, kind = "uint" },
        { name = "tracking_number", title = "Tracking Number", offset = 3, size = 2, kind = "uint" },
        { name = "timestamp", title = "Timestamp", offset = 5, size = 6, kind = "uint", clock = true },
        { name = "original_order_reference_number", title = "Original Order Reference Number", offset = 11, size = 8, kind = "uint" },
        { name = "new_order_reference_number", title = "New Order Reference Number", offset = 19, size = 8, kind = "uint" },
        { name = "shares", title = "Shares", offset = 27, size = 4, kind = "uint" },
        { name = "price", title = "Price", offset = 31, size = 4, kind = "uint", decimals = 4 },
    } },
    [80] = { id = "trade", title = "Trade", size = 44, fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "stock_locate", title = "Stock Locate", offset = 1, size = 2, kind = "uint" },
        { name = "tracking_number", title = "Tracking Number", offset = 3, size = 2, kind = "uint" },
        { name = "timestamp", title = "Timestamp", offset = 5, size = 6, kind = "uint", clock = true },
        { name = "order_reference_number", title = "Order Reference Number", offset = 11, size = 8, kind = "uint" },
        { name = "buy_sell_indicator", title = "Buy Sell Indicator", offset = 19, size = 1, kind = "text", names = NAMES.itch50_Side },
        { name = "shares", title = "Shares", offset = 20, size = 4, kind = "uint" },
        { name = "stock", title = "Stock", offset = 24, size = 8, kind = "text" },
        { name = "price", title = "Price", offset = 32, size = 4, kind = "uint", decimals = 4 },
        { name = "match_number", title = "Match Number", offset = 36, size = 8, kind = "uint" },
    } },
    [81] = { id = "cross_trade", title = "Cross Trade", size = 40, fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "stock_locate", title = "Stock Locate", offset = 1, size = 2, kind = "uint" },
        { name = "tracking_number", title = "Tracking Number", offset = 3, size = 2, kind = "uint" },
        { name = "timestamp", title = "Timestamp", offset = 5, size = 6, kind = "uint", clock = true },
        { name = "shares", title = "Shares", offset = 11, size = 8, kind = "uint" },
        { name = "stock", title = "Stock", offset = 19, size = 8, kind = "text" },
        { name = "cross_price", title = "Cross Price", offset = 27, size = 4, kind = "uint", decimals = 4 },
        { name = "match_number", title = "Match Number", offset = 31, size = 8, kind = "uint" },
        { name = "cross_type", title = "Cross Type", offset = 39, size = 1, kind = "text", names = NAMES.itch50_CrossType },
    } },
    [66] = { id = "broken_trade", title = "Broken Trade", size = 19, fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "stock_locate", title = "Stock Locate", offset = 1, size = 2, kind = "uint" },
        { name = "tracking_number", title = "Tracking Number", offset = 3, size = 2, kind = "uint" },
        { name = "timestamp", title = "Timestamp", offset = 5, size = 6, kind = "uint", clock = true },
        { name = "match_number", title = "Match Number", offset = 11, size = 8, kind = "uint" },
    } },
    [73] = { id = "noii", title = "Noii", size = 50, fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "stock_locate", title = "Stock Locate", offset = 1, size = 2, kind = "uint" },
        { name = "tracking_number", title = "Tracking Number", offset = 3, size = 2, kind = "uint" },
        { name = "timestamp", title = "Timestamp", offset = 5, size = 6, kind = "uint", clock = true },
        { name = "paired_shares", title = "Paired Shares", offset = 11, size = 8, kind = "uint" },
        { name = "imbalance_shares", title = "Imbalance Shares", offset = 19, size = 8, kind = "uint" },
        { name = "imbalance_direction", title = "Imbalance Direction", offset = 27, size = 1, kind = "text", names = NAMES.itch50_ImbalanceDirection },
        { name = "stock", title = "Stock", offset = 28, size = 8, kind = "text" },
        { name = "far_price", title = "Far Price", offset = 36, size = 4, kind = "uint", decimals = 4 },
        { name = "near_price", title = "Near Price", offset = 40, size = 4, kind = "uint", decimals = 4 },
        { name = "current_reference_price", title = "Current Reference Price", offset = 44, size = 4, kind = "uint", decimals = 4 },
        { name = "cross_type", title = "Cross Type", offset = 48, size = 1, kind = "text", names = NAMES.itch50_CrossType },
        { name = "price_variation_indicator", title = "Price Variation Indicator", offset = 49, size = 1, kind = "text", names = NAMES.itch50_PriceVariation },
    } },
    [78] = { id = "retail_price_improvement_indicator", title = "Retail Price Improvement Indicator", size = 20, fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "stock_locate", title = "Stock Locate", offset = 1, size = 2, kind = "uint" },
        { name = "tracking_number", title = "Tracking Number", offset = 3, size = 2, kind = "uint" },
        { name = "timestamp", title = "Timestamp", offset = 5, size = 6, kind = "uint", clock = true },
        { name = "stock", title = "Stock", offset = 11, size = 8, kind = "text" },
        { name = "interest_flag", title = "Interest Flag", offset = 19, size = 1, kind = "text", names = NAMES.itch50_InterestFlag },
    } },
    [79] = { id = "direct_listing_with_capital_raise", title = "Direct Listing With Capital Raise", size = 48, fields = {
        { name = "message_type", title = "Message Type", offset = 0, size = 1, kind = "text" },
        { name = "stock_locate", title = "Stock Locate", offset = 1, size = 2, kind = "uint" },
        { name = "tracking_number", title = "Tracking Number", offset = 3, size = 2, kind = "uint" },
        { name = "timestamp", title = "Timestamp", offset = 5, size = 6, kind = "uint", clock = true },
        { name = "stock", title = "Stock", offset = 11, size = 8, kind = "text" },
        { name = "open_eligibility_status", title = "Open Eligibility Status", offset = 19, size = 1, kind = "text", names = NAMES.itch50_Flag },
        { name = "minimum_allowable_price", title = "Minimum Allowable Price", offset = 20, size = 4, kind = "uint", decimals = 4 },
        { name = "maximum_allowable_price", title = "Maximum Allowable Price", offset = 24, size = 4, kind = "uint", decimals = 4 },
        { name = "near_execution_price", title = "Near Execution Price", offset = 28, size = 4, kind = "uint", decimals = 4 },
        { name = "near_execution_time", title = "Near Execution Time", offset = 32, size = 8, kind = "uint", clock = true },
        { name = "lower_price_range_collar", title = "Lower Price Range Collar", offset = 40, size = 4, kind = "uint", decimals = 4 },
        { name = "upper_price_range_collar", title = "Upper Price Range Collar", offset = 44, size = 4, kind = "uint", decimals = 4 },
    } },
}

-- Fields are registered once for each message.
local function register(proto, messages)
    local fields = {}
    for _, message in pairs(messages) do
        for _, field in ipairs(message.fields) do
            local abbreviation = proto.name:lower() .. "." .. message.id .. "." .. field.name
            local kind = field.kind
            local make = ProtoField.string
            if kind == "uint" then
                make = field.size > 4 and ProtoField.uint64 or ProtoField.uint32
            elseif kind == "sint" then
                make = ProtoField.int32
            elseif kind == "octets" then
                make = ProtoField.bytes
            end
            field.proto = make(abbreviation, field.title)
            fields[#fields + 1] = field.proto
        end
    end
    return fields
end

local function clock(ns)
    local second = math.floor(ns / 1e9)
    return string.format("%02d:%02d:%02d.%09d", math.floor(second / 3600),
        math.floor(second / 60) % 60, second % 60, ns - second * 1e9)
end

-- Add a field to the tree; return it as people read it.
local function add_field(tree, field, range)
    local kind = field.kind
    if kind == "octets" then
        tree:add(field.proto, range)
        return ""
    end
    if kind == "text" then
        local value = range:string():gsub("^%s+", ""):gsub("%s+$", "")
        local item = tree:add(field.proto, range, value)
        local name = field.names and field.names[value]
        if name then item:append_text(" (" .. name .. ")") end
        return name or value
    end
    local number, item
    if kind == "sint" then
        number = range:int()
        item = tree:add(field.proto, range, number)
    elseif field.size > 4 then
        number = range:uint64():tonumber()
        item = tree:add(field.proto, range, range:uint64())
    else
        number = range:uint()
        item = tree:add(field.proto, range, number)
    end
    local shown
    if field.decimals then
        shown = string.format("%." .. field.decimals .. "f", number / 10 ^ field.decimals)
        item:append_text(" (" .. shown .. " USD)")
    elseif field.clock then
        shown = clock(number)
        item:append_text(" (" .. shown .. ")")
    elseif field.names and field.names[number] then
        shown = field.names[number]
        item:append_text(" (" .. shown .. ")")
    end
    return shown or tostring(number)
end

local function add_message(proto, message, tvb, pinfo, tree)
    local subtree = tree:add(proto, tvb())
    local told = { message.title }
    for _, field in ipairs(message.fields) do
        local shown = add_field(subtree, field, tvb(field.offset, field.size))
        if TOLD[field.name] and shown ~= "" then
            told[#told + 1] = shown
        end
    end
    local text = table.concat(told, " ")
    subtree:append_text(", " .. text)
    pinfo.cols.protocol = proto.description:match("^%S+ (.*)$")
    pinfo.cols.info:append(" [" .. text .. "] ")
    pinfo.cols.info:fence()
    return subtree
end

-- OUCH 5.0: the options that follow the fixed part.
local function add_options(tvb, tree, at)
    local options = tree:add(ouch, tvb(at), "Options")
    options:add(appendage_length, tvb(at, 2))
    at = at + 2
    while at + 2 <= tvb:len() do
        local size, tag = tvb(at, 1):uint(), tvb(at + 1, 1):uint()
        if size < 1 or at + 1 + size > tvb:len() then return end
        local option = OPTIONS[tag]
        if option and option.fields[1].size == size - 1 then
            add_field(options, option.fields[1], tvb(at + 2, size - 1))
        else
            options:add(tvb(at, 1 + size), "Option " .. tag)
        end
        at = at + 1 + size
    end
end

local function ouch_length(message, tvb)
    local size, length = message.size, tvb:len()
    if message.appendage ~= "required" and length == size then return true end
    return message.appendage ~= "none" and length >= size + 2
        and length == size + 2 + tvb(size, 2):uint()
end

local packet_type = Field.new("soupbintcp.packet_type")

local function dissect_ouch(tvb, pinfo, tree)
    local packets = { packet_type() }
    local last = packets[#packets]
    if not last or tvb:len() == 0 then return false end
    local kind = type(last.value) == "number" and string.char(last.value) or tostring(last.value)
    local message = (kind == "S" and OUTBOUND or INBOUND)[tvb(0, 1):uint()]
    if not message or not ouch_length(message, tvb) then return false end
    local subtree = add_message(ouch, message, tvb, pinfo, tree)
    if tvb:len() > message.size then add_options(tvb, subtree, message.size) end
    return true
end

function ouch.dissector(tvb, pinfo, tree)
    return dissect_ouch(tvb, pinfo, tree) and tvb:len() or 0
end

function itch.dissector(tvb, pinfo, tree)
    local message = tvb:len() > 0 and ITCH[tvb(0, 1):uint()]
    if not message or tvb:len() ~= message.size then return 0 end
    add_message(itch, message, tvb, pinfo, tree)
    return tvb:len()
end

local ouch_fields = register(ouch, INBOUND)
for _, messages in ipairs({ OUTBOUND, OPTIONS }) do
    for _, field in ipairs(register(ouch, messages)) do ouch_fields[#ouch_fields + 1] = field end
end
appendage_length = ProtoField.uint16("tickwire_ouch50.appendage_length", "Appendage Length")
ouch_fields[#ouch_fields + 1] = appendage_length
ouch.fields = ouch_fields
itch.fields = register(itch, ITCH)

ouch:register_heuristic("soupbintcp", dissect_ouch)
DissectorTable.get("moldudp64.payload"):add_for_decode_as(itch)
