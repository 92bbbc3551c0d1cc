// Makes the account write its log to the hub. In the account's own group, with a permission there.
param accountName string
param namespaceId string
param eventHubName string

resource account 'Microsoft.VideoIndexer/accounts@2024-01-01' existing = {
  name: accountName
}

resource setting 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'keywire'
  scope: account
  properties: {
    // The id of the rule, not its key: Azure Monitor asks for that itself.
    eventHubAuthorizationRuleId: '${namespaceId}/authorizationRules/azure-monitor'
    eventHubName: eventHubName
    logs: [
      {
        // Not the group `allLogs`: the audit log has names and addresses of people, which Keywire has no use for.
        // Unverified: the reference page writes `IndexingLogs`, another page `Indexing Logs`. Where Azure refuses it,
        // `categoryGroup: 'allLogs'` works, and Keywire ignores the rest.
        category: 'IndexingLogs'
        enabled: true
      }
    ]
  }
}
