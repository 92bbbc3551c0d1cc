// One rule per alert, on Keywire's own metrics (keywire/telemetry/instruments.py) where Azure's are too coarse: its figure for queues
// is for all of an account's queues together, and a day old. The name of an alert is the name of its section in the
// runbook. Metrics are not sampled, so nothing that a rule needs is left out.
//
// Every query gives rows with a column `value`; a rule fires where the greatest of them is above its threshold.
// Counters and histograms are sent as differences, so their sums are what happened in the window.
param location string
param tags object
param appInsightsName string

@description('Empty: nobody is told.')
param actionGroupName string

@description('Empty: there is no topic.')
param topicName string
param runbookUrl string

@description('Seconds that the oldest job may have waited, as in the health check: longer than a burst of 1,000 videos takes at 120 requests a minute.')
param oldestJobSeconds int = 1800

@description('Percent of published versions whose callback may have been missed.')
param missedCallbacksPercent int = 20

@description('Percent of requests that may be answered with 429.')
param throttledPercent int = 5

resource appInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: appInsightsName
}

resource topic 'Microsoft.EventGrid/topics@2025-02-15' existing = {
  name: empty(topicName) ? 'none' : topicName
}

resource actionGroup 'Microsoft.Insights/actionGroups@2023-01-01' existing = {
  name: empty(actionGroupName) ? 'none' : actionGroupName
}

var rules = [
  {
    name: 'poison-not-empty'
    description: 'Messages were given up and wait for somebody.'
    severity: 2
    frequency: 'PT5M'
    window: 'PT15M'
    periods: 1
    threshold: 0
    dimensions: [
      {
        name: 'queue'
        operator: 'Include'
        values: [
          '*'
        ]
      }
    ]
    query: '''
customMetrics
| where name == 'keywire.queue.depth'
| extend queue = tostring(customDimensions.queue)
| where queue endswith '-poison'
| summarize arg_max(timestamp, valueSum, valueCount) by queue
| project queue, value = valueSum / valueCount
'''
  }
  {
    name: 'oldest-job-too-old'
    description: 'A job that somebody waits for is not being done.'
    severity: 2
    frequency: 'PT5M'
    window: 'PT15M'
    // Twice: a burst that is being worked off is older for a moment.
    periods: 2
    threshold: oldestJobSeconds
    dimensions: []
    query: '''
customMetrics
| where name == 'keywire.queue.oldest_age'
| where tostring(customDimensions.queue) == 'extraction'
| summarize arg_max(timestamp, valueSum, valueCount)
| project value = valueSum / valueCount
'''
  }
  {
    name: 'callbacks-missed'
    description: 'Videos reach Keywire by reconciliation and not by their callback: late, but nothing is lost.'
    severity: 3
    frequency: 'PT1H'
    window: 'PT6H'
    periods: 1
    threshold: missedCallbacksPercent
    dimensions: []
    query: '''
customMetrics
| where name in ('keywire.callbacks.missed', 'keywire.publish.lag')
| summarize missed = sumif(valueSum, name == 'keywire.callbacks.missed'), published = sumif(todouble(valueCount), name == 'keywire.publish.lag')
| where missed >= 5
| project value = 100.0 * missed / max_of(published, missed)
'''
  }
  {
    name: 'no-extraction'
    description: 'Signals arrive, and no job comes to an end.'
    severity: 1
    frequency: 'PT15M'
    window: 'PT1H'
    // Twice: a signal at the very end of a window has not been worked on yet.
    periods: 2
    threshold: 0
    dimensions: []
    query: '''
customMetrics
| where name in ('keywire.signals', 'keywire.extractions')
| summarize arrived = sumif(valueSum, name == 'keywire.signals' and tostring(customDimensions.outcome) == 'queued'), ended = sumif(valueSum, name == 'keywire.extractions')
| where ended == 0
| project value = arrived
'''
  }
  {
    name: 'throttled'
    description: 'Video Indexer or Azure Resource Manager refuses requests because there are too many.'
    severity: 3
    frequency: 'PT15M'
    window: 'PT1H'
    periods: 1
    threshold: throttledPercent
    dimensions: [
      {
        name: 'service'
        operator: 'Include'
        values: [
          '*'
        ]
      }
    ]
    query: '''
customMetrics
| where name == 'keywire.request.duration'
| extend service = tostring(customDimensions.service)
| summarize requests = sum(todouble(valueCount)), throttled = sumif(todouble(valueCount), tostring(customDimensions.status) == '429') by service
| where throttled >= 10
| project service, value = 100.0 * throttled / requests
'''
  }
  {
    name: 'reconciliation-failed'
    description: 'Missed callbacks are not being healed.'
    severity: 2
    frequency: 'PT15M'
    window: 'PT1H'
    periods: 1
    // More than one: a single failure is gone on with by the next run.
    threshold: 1
    dimensions: []
    query: '''
customMetrics
| where name == 'keywire.reconciliation.runs'
| summarize failed = sumif(valueSum, tostring(customDimensions.outcome) == 'failed'), succeeded = sumif(valueSum, tostring(customDimensions.outcome) == 'succeeded')
| where succeeded == 0
| project value = failed
'''
  }
  {
    name: 'unhealthy'
    description: 'A health check has failed for a quarter of an hour (GET /api/health answers 503), or nothing is measured at all.'
    severity: 1
    frequency: 'PT5M'
    window: 'PT15M'
    periods: 1
    threshold: 0
    dimensions: []
    // `summarize` without `by` gives a row also where there is nothing: silence counts as ill.
    query: '''
customMetrics
| where name == 'keywire.health' and tostring(customDimensions.check) == 'all'
| summarize good = countif(valueSum > 0)
| project value = iff(good == 0, 1, 0)
'''
  }
]

resource alerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for rule in rules: {
  name: rule.name
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'Keywire: ${rule.name}'
    description: '${rule.description} ${runbookUrl}#${rule.name}'
    severity: rule.severity
    enabled: true
    scopes: [
      appInsights.id
    ]
    evaluationFrequency: rule.frequency
    windowSize: rule.window
    criteria: {
      allOf: [
        {
          query: rule.query
          timeAggregation: 'Maximum'
          metricMeasureColumn: 'value'
          dimensions: rule.dimensions
          operator: 'GreaterThan'
          threshold: rule.threshold
          failingPeriods: {
            numberOfEvaluationPeriods: rule.periods
            minFailingPeriodsToAlert: rule.periods
          }
        }
      ]
    }
    autoMitigate: true
    // Tables and columns are there with their first record: at the first deployment a check would fail.
    skipQueryValidation: true
    actions: {
      actionGroups: empty(actionGroupName) ? [] : [actionGroup.id]
    }
  }
}]

// Event Grid's own figure is good enough: per topic, and by the minute.
resource publishFailed 'Microsoft.Insights/metricAlerts@2018-03-01' = if (!empty(topicName)) {
  name: 'event-grid-publish-failed'
  location: 'global'
  tags: tags
  properties: {
    description: 'Event Grid refuses events; their deliveries wait on the queue deliver-event-grid and are tried again, at most for a day. ${runbookUrl}#event-grid-publish-failed'
    severity: 2
    enabled: true
    scopes: [
      topic.id
    ]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'publish-failed'
          metricNamespace: 'Microsoft.EventGrid/topics'
          metricName: 'PublishFailCount'
          operator: 'GreaterThan'
          threshold: 0
          timeAggregation: 'Total'
        }
      ]
    }
    autoMitigate: true
    actions: empty(actionGroupName) ? [] : [
      {
        actionGroupId: actionGroup.id
      }
    ]
  }
}
